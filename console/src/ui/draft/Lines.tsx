/// Lines that are gone and new between two settings.

import { Text } from "@mantine/core";

import { clip, count, inert } from "../text";
import classes from "./draft.module.css";
import type { Line } from "./lines";

/** Lines that are drawn. */
const DRAWN = 200;

export function Lines({ lines }: { lines: Line[] }) {
  const rest = lines.length - DRAWN;
  return (
    <>
      <ul className={classes.lines}>
        {lines.slice(0, DRAWN).map((line) => (
          <li key={`${line.sign} ${line.text}`} data-sign={line.sign}>
            <b aria-label={line.sign === "+" ? "new" : "gone"}>{line.sign === "+" ? "+" : "−"}</b>
            <bdi>{clip(inert(line.text), 600)}</bdi>
          </li>
        ))}
      </ul>
      {rest > 0 ? (
        <Text size="sm" c="dimmed">
          … and {count(rest, "line")} more
        </Text>
      ) : null}
    </>
  );
}
