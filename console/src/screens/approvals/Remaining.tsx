/// How long something can still be decided, or is good.

import { Text, Tooltip } from "@mantine/core";

import { duration, exact, useNow } from "../../ui/Time";

/** Below this it is urgent, milliseconds. */
const SOON = 3_600_000;

/** `in 2 h 5 min`; coloured and said when it is nearly over. */
export function Remaining({
  until,
  over = "over",
  isPlain = false,
}: {
  until: string;
  over?: string;
  /** Where the colour is that of what stands around it. */
  isPlain?: boolean;
}) {
  const now = useNow();
  const end = Date.parse(until);
  const left = end - now;
  const isSoon = !isPlain && left > 0 && left < SOON;
  // To the minute from an hour on: a clock that ticks draws the eye for nothing.
  const shown = duration(
    left > 60_000 ? Math.round(left / 60_000) * 60_000 : Math.max(1000, Math.round(left / 1000) * 1000),
  );
  return (
    <Tooltip label={exact(end)}>
      <Text
        component="span"
        inherit
        c={isSoon ? "var(--quell-warn)" : "inherit"}
        fw={isPlain ? "inherit" : isSoon ? 600 : 400}
      >
        <time dateTime={until}>{left <= 0 ? over : `in ${shown}`}</time>
      </Text>
    </Tooltip>
  );
}
