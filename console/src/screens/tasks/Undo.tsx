/// Taking back: what will be done on which endpoints, why, then the second step.

import { List, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useNavigate } from "@tanstack/react-router";

import { api, data, type Schemas } from "../../api/client";
import { holds, whyNot, type Me } from "../../api/me";
import { refresh } from "../../api/query";
import { AskWhy } from "../../ui/AskWhy";
import { Name } from "../../ui/Name";
import { count, inert } from "../../ui/text";
import { useAction, useActions } from "./catalogue";
import { movedNothing } from "./moved";
import { isEnded, sayTargets, type Command, type Task } from "./words";

/** Why it cannot be taken back, or `undefined` where it can. */
export function whyNoUndo(
  me: Me,
  task: Task,
  action: Schemas["Action"] | undefined,
  commands?: Command[],
): string | undefined {
  if (action === undefined) return "The catalogue is being read.";
  if (action.effect === "piecewise") {
    return movedNothing(task, commands)
      ? "It changed nothing: there is nothing to take back."
      : "What it changed is taken back piece by piece: its outcome names each.";
  }
  if (!action.undone_by) {
    return action.effect === "read_only"
      ? "It only read: there is nothing to take back."
      : "It cannot be taken back: what was done is done.";
  }
  if (task.undone_by) return "Another task takes it back already.";
  if (!isEnded(task.state)) return "It has not ended: cancel it.";
  if (task.succeeded_count === 0 && !["failed", "indeterminate", "canceled"].includes(task.state)) {
    return "It changed nothing: there is nothing to take back.";
  }
  return holds(me, "task.submit") ? whyNot(me, "task.submit", action.undone_by) : whyNot(me, "task.submit");
}

export function UndoDialog({ task, close }: { task: Task; close: () => void }) {
  const navigate = useNavigate();
  const action = useAction(task.action);
  const back = useActions().find((each) => each.id === action?.undone_by);
  const send = async (reason: string): Promise<void> => {
    const made = await data(
      api.POST("/api/v1/tasks/{id}/undo", { params: { path: { id: task.id } }, body: { reason } }),
    );
    await refresh("/api/v1/tasks", "/api/v1/overview", "/api/v1/endpoints");
    if (made.passed_over.length > 0) {
      notifications.show({
        color: "yellow",
        autoClose: false,
        title: `${count(made.passed_over.length, "endpoint")} passed over`,
        message: made.passed_over
          .slice(0, 5)
          .map((each) => inert(each.message))
          .join(" "),
      });
    }
    void navigate({ to: `/tasks/${made.id}` });
  };
  return (
    <AskWhy
      title={`Undo: ${task.title}`}
      deed={back?.title ?? "Undo"}
      label="Reason"
      description="People read it, and it stays in the audit trail."
      act={send}
      close={close}
    >
      <Text size="sm">
        <b>{back?.title ?? action?.undone_by}</b> will be requested on{" "}
        <b>
          <Name length={120}>{sayTargets(task)}</Name>
        </b>
        , where the task did something. It is a task of its own, with its own evidence.
      </Text>
      {task.targets.length > 1 ? (
        <List size="sm">
          {task.targets.map((target) => (
            <List.Item key={target.id}>
              <Name length={80}>{target.name}</Name>
            </List.Item>
          ))}
          {task.target_count > task.targets.length ? (
            <List.Item>and {task.target_count - task.targets.length} more</List.Item>
          ) : null}
        </List>
      ) : null}
    </AskWhy>
  );
}
