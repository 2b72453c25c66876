/// A part of the overview: a heading, rows, or a calm word where there are none.

import { Anchor, Button, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";

import { Name } from "../../ui/Name";
import { TaskState } from "../tasks/columns";
import { useShort } from "../tasks/catalogue";
import { sayTargets, type Task } from "../tasks/words";
import classes from "./Overview.module.css";

type Props = { title: string; all?: { to: string; says: string } | undefined; children: ReactNode };

export function Part({ title, all, children }: Props) {
  return (
    <section className={classes.part} aria-label={title}>
      <div className={classes.partHead}>
        <Title order={2}>{title}</Title>
        {all === undefined ? null : (
          <Anchor component={Link} to={all.to} size="sm">
            {all.says}
          </Anchor>
        )}
      </div>
      {children}
    </section>
  );
}

/** Nothing is there, and what that means. */
export function Calm({ children }: { children: ReactNode }) {
  return (
    <Text size="sm" c="dimmed" className={classes.calm} component="div">
      {children}
    </Text>
  );
}

/** The first of a list; the rest when somebody asks. */
export function Some<Row>({ rows, most, draw }: { rows: Row[]; most: number; draw: (row: Row) => ReactNode }) {
  const [isAll, setAll] = useState(false);
  const rest = rows.length - most;
  return (
    <>
      <ul className={classes.rows}>{(isAll ? rows : rows.slice(0, most)).map(draw)}</ul>
      {rest > 0 && !isAll ? (
        <Button
          variant="subtle"
          size="compact-sm"
          m={6}
          onClick={() => {
            setAll(true);
          }}
        >
          {rest} more
        </Button>
      ) : null}
    </>
  );
}

/** What a task does to what, as a link. */
export function TaskLink({ task }: { task: Task }) {
  return (
    <Anchor component={Link} to={`/tasks/${task.id}`} size="sm" fw={600}>
      <Name length={100}>{`${task.title}: ${sayTargets(task)}`}</Name>
    </Anchor>
  );
}

/** Parameters in words, as far as one line goes. */
export function Short({ task }: { task: Task }) {
  const short = useShort(task);
  return short === "" ? null : (
    <Text size="xs" truncate>
      <Name length={110}>{short}</Name>
    </Text>
  );
}

export function TaskRow({ task, beside }: { task: Task; beside: ReactNode }) {
  return (
    <li className={classes.row}>
      <div className={classes.what}>
        <TaskLink task={task} />
        <Short task={task} />
        <Text size="xs" c="dimmed">
          <Name length={140}>{task.reason}</Name> · <Name length={40}>{task.requester.name}</Name>
        </Text>
      </div>
      <div className={classes.side}>
        <TaskState task={task} />
        <Text size="xs" c="dimmed" ta="end">
          {beside}
        </Text>
      </div>
    </li>
  );
}
