/// Calling off: which tasks, what that does to each, then the second step.

import { Alert, Button, Group, List, Modal, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { api } from "../../api/client";
import { asApiError } from "../../api/problem";
import { refresh } from "../../api/query";
import { Name } from "../../ui/Name";
import { count, inert } from "../../ui/text";
import { isEnded, sayTargets, type Task } from "./words";

type Props = { tasks: Task[]; close: () => void; done?: () => void };

/** Tasks named in the list at most. */
const NAMED = 12;

type Tried = { task: Task; ended: number; asked: number; error?: string };

async function cancel(task: Task): Promise<Tried> {
  try {
    const { data } = await api.POST("/api/v1/tasks/{id}/cancel", { params: { path: { id: task.id } } });
    return { task, ended: data?.ended ?? 0, asked: data?.asked ?? 0 };
  } catch (error) {
    return { task, ended: 0, asked: 0, error: asApiError(error).message };
  }
}

/** About the tasks as they are when it opens: what is confirmed is what is named. */
export function CancelMany({ tasks, close, done }: Props) {
  const [open] = useState(() => tasks.filter((task) => !isEnded(task.state)));
  const [over] = useState(() => tasks.filter((task) => isEnded(task.state)));
  const [isBusy, setBusy] = useState(false);
  const [tried, setTried] = useState<Tried[]>();
  const submit = async (): Promise<void> => {
    setBusy(true);
    const results: Tried[] = [];
    for (const task of open) results.push(await cancel(task));
    await refresh("/api/v1/tasks", "/api/v1/overview", "/api/v1/approvals");
    setBusy(false);
    done?.();
    setTried(results);
  };
  return (
    <Modal
      opened
      onClose={close}
      title={open.length === 1 ? "Cancel this task" : `Cancel ${count(open.length, "task")}`}
    >
      <Stack gap="sm" style={{ overflowWrap: "anywhere" }}>
        {tried === undefined ? (
          <Ask open={open} over={over} />
        ) : (
          <List size="sm" spacing={4}>
            {tried.map((each) => (
              <List.Item key={each.task.id}>
                <Line task={each.task} />: {told(each)}
              </List.Item>
            ))}
          </List>
        )}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            {tried === undefined ? "Leave it" : "Close"}
          </Button>
          {tried === undefined ? (
            <Button
              color="red.9"
              data-autofocus
              loading={isBusy}
              disabled={open.length === 0}
              onClick={() => void submit()}
            >
              Cancel {count(open.length, "task")}
            </Button>
          ) : null}
        </Group>
      </Stack>
    </Modal>
  );
}

function told({ ended, asked, error }: Tried): string {
  if (error !== undefined) return inert(error);
  const parts = [
    ended > 0 ? `${count(ended, "command")} that waited ended` : "",
    asked > 0 ? `${count(asked, "endpoint")} asked to stop; the outcome says what was done` : "",
  ].filter((part) => part !== "");
  return parts.length === 0 ? "nothing was left to cancel" : parts.join("; ");
}

function Line({ task }: { task: Task }) {
  return (
    <Text component="span" size="sm" fw={600}>
      <Name length={80}>{`${task.title} on ${sayTargets(task)}`}</Name>
    </Text>
  );
}

function Ask({ open, over }: { open: Task[]; over: Task[] }) {
  return (
    <>
      {open.length === 0 ? (
        <Text size="sm">
          What you chose has ended: there is nothing to call off. What was done can be undone on the task’s page.
        </Text>
      ) : (
        <>
          <Named tasks={open} />
          <Text size="sm">
            What waits ends at once and is never begun. What runs is asked to stop: how far it came, its outcome says. A
            cancelled task is not taken up again; repeat it where it is wanted after all.
          </Text>
        </>
      )}
      {over.length > 0 && open.length > 0 ? (
        <Alert
          variant="default"
          title={`Left as ${over.length === 1 ? "it is" : "they are"}: ${count(over.length, "selected task has ended", "selected tasks have ended")}`}
        >
          <Named tasks={over} />
        </Alert>
      ) : null}
    </>
  );
}

function Named({ tasks }: { tasks: Task[] }) {
  return (
    <List size="sm" spacing={2}>
      {tasks.slice(0, NAMED).map((task) => (
        <List.Item key={task.id}>
          <Line task={task} />
        </List.Item>
      ))}
      {tasks.length > NAMED ? <List.Item>and {tasks.length - NAMED} more</List.Item> : null}
    </List>
  );
}
