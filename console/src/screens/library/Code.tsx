/// A body with numbers at its lines, and the change from one body to another. All of it inert text.

import { Box, Group, Text } from "@mantine/core";
import { Fragment, useMemo } from "react";

import { Copy } from "../../ui/Copy";
import { count, inertLines } from "../../ui/text";
import { diff, hunks, linesOf, type Line } from "./diff";
import classes from "./Code.module.css";

/** Lines drawn at most. */
const DRAWN = 5000;

export function Body({ text, label }: { text: string; label: string }) {
  const lines = useMemo(() => linesOf(text), [text]);
  const rest = lines.length - DRAWN;
  return (
    <Box className={classes.frame}>
      <Group justify="space-between" className={classes.head}>
        <Text size="xs" c="dimmed">
          {label} · {count(lines.length, "line")}
        </Text>
        <Copy value={text} label="Copy it" />
      </Group>
      <Box className={classes.scroll} tabIndex={0} role="region" aria-label={label}>
        <pre className={classes.numbers} aria-hidden>
          {lines
            .slice(0, DRAWN)
            .map((_, index) => index + 1)
            .join("\n")}
        </pre>
        <pre className={classes.text}>{inertLines(lines.slice(0, DRAWN).join("\n"))}</pre>
      </Box>
      {rest > 0 ? (
        <Text size="xs" c="dimmed" p="xs">
          … and {count(rest, "line")} more: copy it to read them.
        </Text>
      ) : null}
    </Box>
  );
}

const SIGNS = { same: " ", gone: "−", new: "+" } as const;
const SPOKEN = { same: "", gone: "gone: ", new: "new: " } as const;

export function Difference({ before, after, label }: { before: string; after: string; label: string }) {
  const parts = useMemo(() => hunks(diff(linesOf(before), linesOf(after))), [before, after]);
  const lines = parts.flatMap((part) => (Array.isArray(part) ? part : []));
  const size = (kind: Line["kind"]): number => lines.filter((line) => line.kind === kind).length;
  // What is too long to draw is cut at a part.
  let room = DRAWN;
  return (
    <Box className={classes.frame}>
      <Group justify="space-between" className={classes.head} mih={28}>
        <Text size="xs" c="dimmed">
          {label}
        </Text>
        <Group gap="sm">
          <Text size="xs" c="var(--quell-ok)" fw={600}>
            +{size("new")} new
          </Text>
          <Text size="xs" c="var(--quell-bad)" fw={600}>
            −{size("gone")} gone
          </Text>
        </Group>
      </Group>
      <Box className={classes.changes} tabIndex={0} role="region" aria-label={label}>
        {parts.map((part, index) => {
          if (!Array.isArray(part)) {
            return (
              <Text key={index} size="xs" c="dimmed" className={classes.alike ?? ""}>
                {count(part, "line")} alike
              </Text>
            );
          }
          const shown = part.slice(0, Math.max(0, room));
          room -= part.length;
          return <Hunk key={index} lines={shown} left={part.length - shown.length} />;
        })}
      </Box>
    </Box>
  );
}

function Hunk({ lines, left }: { lines: Line[]; left: number }) {
  return (
    <>
      {lines.map((line, index) => (
        <div key={index} className={classes.line} data-kind={line.kind}>
          <span className={classes.number} aria-hidden>
            {line.before}
          </span>
          <span className={classes.number} aria-hidden>
            {line.after}
          </span>
          <span className={classes.sign} aria-hidden>
            {SIGNS[line.kind]}
          </span>
          <span className={classes.what}>
            {line.kind === "same" ? null : <span className={classes.spoken}>{SPOKEN[line.kind]}</span>}
            <Fragment>{inertLines(line.text)}</Fragment>
          </span>
        </div>
      ))}
      {left > 0 ? (
        <Text size="xs" c="dimmed" className={classes.alike ?? ""}>
          … and {count(left, "line")} more
        </Text>
      ) : null}
    </>
  );
}
