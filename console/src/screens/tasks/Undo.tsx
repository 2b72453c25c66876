/// Taking back: what will be done on which endpoints, why, then the second step.

import { Button, Group, List, Modal, Stack, Text, Textarea } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";

import { $api } from "../../api/client";
import { holds, whyNot, type Me } from "../../api/me";
import { asApiError } from "../../api/problem";
import { refresh } from "../../api/query";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { count, inert } from "../../ui/text";
import { useAction, useActions } from "./catalogue";
import { isEnded, sayTargets, type Task } from "./words";
import type { Schemas } from "../../api/client";

/** Why it cannot be taken back, or `undefined` where it can. */
export function whyNoUndo(me: Me, task: Task, action: Schemas["Action"] | undefined): string | undefined {
  if (action === undefined) return "The catalogue is being read.";
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
  const [reason, setReason] = useState("");
  const undo = $api.useMutation("post", "/api/v1/tasks/{id}/undo");
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const made = await undo.mutateAsync({ params: { path: { id: task.id } }, body: { reason } }).catch(() => undefined);
    if (made === undefined) return;
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
    close();
    await navigate({ to: `/tasks/${made.id}` });
  };
  return (
    <Modal opened onClose={close} title={`Undo: ${task.title}`}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="sm" style={{ overflowWrap: "anywhere" }}>
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
          <Textarea
            label="Reason"
            description="People read it, and it stays in the audit trail."
            required
            data-autofocus
            autosize
            minRows={2}
            maxRows={8}
            maxLength={2000}
            value={reason}
            onChange={(event) => {
              setReason(event.currentTarget.value);
            }}
            error={undo.error === null ? undefined : asApiError(undo.error).field("reason")}
          />
          <Failure error={undo.error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Leave it
            </Button>
            <Button type="submit" loading={undo.isPending}>
              {back?.title ?? "Undo"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
