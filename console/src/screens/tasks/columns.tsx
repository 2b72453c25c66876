/// The columns of lists of tasks.

import { Group, Text } from "@mantine/core";
import type { ReactNode } from "react";

import { Copy } from "../../ui/Copy";
import type { Column } from "../../ui/DataTable";
import { Name } from "../../ui/Name";
import { State } from "../../ui/State";
import { Time } from "../../ui/Time";
import { useShort } from "./catalogue";
import { isEnded, sayFrom, sayTargets, type Task } from "./words";

/** The end of an id: ids of one moment begin alike. */
export function shortId(id: string): string {
  return id.slice(-8);
}

export function Id({ id, label }: { id: string; label: string }) {
  return (
    <Group component="span" gap={2} wrap="nowrap" display="inline-flex" style={{ verticalAlign: "middle" }}>
      <Text component="span" inherit ff="monospace" fz="xs">
        {shortId(id)}
      </Text>
      <Copy value={id} label={label} />
    </Group>
  );
}

/** What was asked for, in the words of its parameters. */
function Description({ task }: { task: Task }) {
  const text = useShort(task);
  return text === "" ? "–" : <Name length={160}>{text}</Name>;
}

/** How a task stands; how far it is, where it has several targets. */
export function TaskState({ task }: { task: Task }) {
  const done = task.target_count - task.open_count;
  const isPart = task.target_count > 1 && !isEnded(task.state) && done > 0;
  const isMixed =
    task.target_count > 1 && isEnded(task.state) && task.succeeded_count > 0 && task.state !== "succeeded";
  return (
    <Group component="span" gap={6} wrap="nowrap" display="inline-flex" style={{ verticalAlign: "middle" }}>
      <State state={task.state} reason={task.reason_code} />
      {isPart ? (
        <Text component="span" size="xs" c="dimmed">
          {done}/{task.target_count}
        </Text>
      ) : null}
      {isMixed ? (
        <Text component="span" size="xs" c="dimmed">
          {task.succeeded_count}/{task.target_count} succeeded
        </Text>
      ) : null}
    </Group>
  );
}

/** Two short lines in the height of a row. */
function Lines({ first, second }: { first: ReactNode; second: ReactNode }) {
  return (
    <>
      <Text component="span" display="block" fz="sm" lh={1.25} truncate>
        {first}
      </Text>
      <Text component="span" display="block" fz="xs" lh={1.25} c="dimmed" truncate>
        {second}
      </Text>
    </>
  );
}

/** On a phone: what on what, and how it stands since when. */
export const narrowColumns: Column<Task>[] = [
  {
    id: "action",
    title: "Task",
    width: "minmax(0, 1fr)",
    isNarrow: true,
    cell: (task) => (
      <Lines
        first={<Name length={60}>{task.title || task.action}</Name>}
        second={<Name length={60}>{sayTargets(task)}</Name>}
      />
    ),
  },
  {
    id: "state",
    title: "Status",
    width: "160px",
    isNarrow: true,
    cell: (task) => <Lines first={<TaskState task={task} />} second={<Time at={task.ended_at ?? task.created_at} />} />,
  },
];

export const columns: Column<Task>[] = [
  {
    id: "action",
    title: "Action",
    width: "minmax(184px, 1.2fr)",
    isNarrow: true,
    cell: (task) => <Name length={60}>{task.title || task.action}</Name>,
  },
  {
    id: "target",
    title: "Target",
    width: "minmax(90px, 0.9fr)",
    isNarrow: true,
    cell: (task) => <Name length={60}>{sayTargets(task)}</Name>,
  },
  {
    id: "state",
    title: "Status",
    width: "minmax(158px, 0.9fr)",
    isNarrow: true,
    cell: (task) => <TaskState task={task} />,
  },
  {
    id: "description",
    title: "Description",
    width: "minmax(105px, 1.3fr)",
    cell: (task) => <Description task={task} />,
  },
  {
    id: "reason",
    title: "Reason",
    width: "minmax(105px, 1.3fr)",
    cell: (task) => <Name length={160}>{task.reason}</Name>,
  },
  {
    id: "requester",
    title: "Created by",
    width: "minmax(90px, 0.8fr)",
    cell: (task) => <Name length={40}>{task.requester.name}</Name>,
  },
  { id: "from", title: "From", width: "62px", cell: (task) => sayFrom(task.created_from, true) },
  { id: "created", title: "Created", width: "96px", cell: (task) => <Time at={task.created_at} /> },
  {
    id: "last",
    title: "Last action",
    width: "96px",
    cell: (task) => <Time at={task.ended_at ?? task.cancel_requested_at} empty={isEnded(task.state) ? "–" : "open"} />,
  },
  {
    id: "id",
    title: "ID",
    width: "104px",
    cell: (task) => <Id id={task.id} label="Copy the id of the task" />,
  },
  { id: "expires", title: "Expires", width: "110px", isExtra: true, cell: (task) => <Time at={task.expires_at} /> },
  { id: "revert", title: "Undone at", width: "110px", isExtra: true, cell: (task) => <Time at={task.revert_at} /> },
  {
    id: "approval",
    title: "Approval",
    width: "110px",
    isExtra: true,
    cell: (task) => (task.approval === "none" ? "–" : task.approval.replace("_", "-")),
  },
];
