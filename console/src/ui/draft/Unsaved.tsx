/// What stands below settings that were changed and not saved.

import { Button, Group, Text } from "@mantine/core";

import { Deed } from "../Deed";
import { count } from "../text";
import classes from "./draft.module.css";
import type { Line } from "./lines";

type Props = {
  lines: Line[];
  /** Whether somebody else saved meanwhile. */
  isStale: boolean;
  why: string | undefined;
  discard: () => void;
  look: () => void;
};

/** Nothing where nothing was changed. */
export function Unsaved({ lines, isStale, why, discard, look }: Props) {
  if (lines.length === 0) return null;
  return (
    <div className={classes.unsaved} role="region" aria-label="Changes that are not saved">
      <Text size="sm" fw={600} role="status">
        {count(lines.filter((line) => line.sign === "+").length || lines.length, "change")} not saved
        {isStale ? ". Somebody else saved meanwhile: discard yours, and make them anew on what holds now" : ""}
      </Text>
      <Group gap="xs">
        <Button variant="default" onClick={discard}>
          Discard
        </Button>
        <Deed why={why} onClick={look}>
          Look and save…
        </Deed>
      </Group>
    </div>
  );
}
