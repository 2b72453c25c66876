/// The history of a task, with the time between its steps.

import { Anchor, Text } from "@mantine/core";
import {
  IconCircleCheck,
  IconCircleDot,
  IconCircleX,
  IconClock,
  IconHourglass,
  IconUserQuestion,
  type Icon,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";

import { Name } from "../../ui/Name";
import { duration, Time, useNow } from "../../ui/Time";
import type { Moment, Tone } from "./timeline";
import { clock } from "./words";
import classes from "./Task.module.css";

const SHAPES: Record<Tone, Icon> = {
  ok: IconCircleCheck,
  warn: IconUserQuestion,
  bad: IconCircleX,
  busy: IconHourglass,
  quiet: IconCircleDot,
};

export function Timeline({ moments }: { moments: Moment[] }) {
  const now = useNow();
  return (
    <ol className={classes.timeline}>
      {moments.map((moment, index) => {
        const Shape = moment.isFuture ? IconClock : SHAPES[moment.tone];
        const before = moments[index - 1];
        const gap = before === undefined ? 0 : Date.parse(moment.at) - Date.parse(before.at);
        const left = Date.parse(moment.at) - now;
        return (
          <li
            key={`${moment.at} ${moment.what} ${String(index)}`}
            className={`${classes.moment ?? ""} ${moment.isFuture ? (classes.future ?? "") : ""}`}
          >
            <Shape size={18} aria-hidden color={`var(--quell-${moment.tone})`} />
            <div>
              <Text size="sm" fw={550}>
                {moment.task === undefined ? (
                  moment.what
                ) : (
                  <Anchor component={Link} to={`/tasks/${moment.task}`} inherit>
                    {moment.what}
                  </Anchor>
                )}
                {moment.who === undefined ? null : (
                  <Text component="span" fw={400} size="sm">
                    {" "}
                    by <Name length={40}>{moment.who}</Name>
                  </Text>
                )}
              </Text>
              {moment.note ? (
                <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                  <Name length={200}>{moment.note}</Name>
                </Text>
              ) : null}
              <Text size="xs" c="dimmed">
                {moment.isFuture ? clock(moment.at, now) : <Time at={moment.at} />}
                {moment.isFuture
                  ? left > 0
                    ? ` · in ${duration(left)}`
                    : " · due now"
                  : gap >= 1
                    ? ` · ${duration(gap)} later`
                    : ""}
              </Text>
            </div>
          </li>
        );
      })}
    </ol>
  );
}
