/// Techniques of ATT&CK by their ids, with their names for who hovers.

import { Group, Text } from "@mantine/core";

import { clip, inert } from "../../ui/text";
import { techniqueName } from "./attack";
import classes from "./incidents.module.css";

export function Techniques({
  ids,
  most = 4,
  isLine = false,
}: {
  ids: readonly string[];
  most?: number;
  /** They stay on one line, whatever is cut off. */
  isLine?: boolean;
}) {
  if (ids.length === 0) return "–";
  const rest = ids.length - most;
  return (
    <Group
      component="span"
      display="inline-flex"
      gap={4}
      wrap={isLine ? "nowrap" : "wrap"}
      style={{ verticalAlign: "middle" }}
    >
      {ids.slice(0, most).map((id) => (
        <span key={id} className={classes.technique} data-hint={techniqueName(id)}>
          {clip(inert(id), 12)}
        </span>
      ))}
      {rest > 0 ? (
        <Text component="span" size="xs" c="dimmed" data-hint={ids.slice(most).join(", ")}>
          +{rest}
        </Text>
      ) : null}
    </Group>
  );
}
