/// Something as it is, for who wants to see it: JSON, output of a script, a digest.

import { Box, Group, ScrollArea, Text } from "@mantine/core";

import { Copy } from "./Copy";
import { inertLines } from "./text";
import classes from "./Raw.module.css";

/** Characters drawn at most; the rest can be copied or downloaded. */
const DRAWN = 200_000;

export function Raw({ value, label, mah = 420 }: { value: unknown; label: string; mah?: number }) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const rest = text.length - DRAWN;
  return (
    <Box className={classes.frame}>
      <Group justify="space-between" className={classes.head}>
        <Text size="xs" c="dimmed">
          {label}
        </Text>
        <Copy value={text} label={`Copy ${label}`} />
      </Group>
      <ScrollArea.Autosize mah={mah} type="auto" viewportProps={{ tabIndex: 0, role: "region", "aria-label": label }}>
        <pre className={classes.text}>
          {inertLines(text.slice(0, DRAWN))}
          {rest > 0 ? `\n… and ${rest.toLocaleString("en")} characters more: copy or download it to read them.` : ""}
        </pre>
      </ScrollArea.Autosize>
    </Box>
  );
}
