/// What can be done with a task now.

import { Button, Menu } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { IconArrowBackUp, IconBan, IconCopy, IconRepeat } from "@tabler/icons-react";
import { useState } from "react";

import { useAct } from "../../act/start";
import { api, data } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { asApiError } from "../../api/problem";
import { Deed } from "../../ui/Deed";
import { inert } from "../../ui/text";
import { CancelMany } from "./Cancel";
import { useAction, useActions } from "./catalogue";
import { asCli, asCurl, givenParams, isHidden } from "./commandline";
import type { Schema } from "./schema";
import { UndoDialog, whyNoUndo } from "./Undo";
import { isEnded, type Command, type Task } from "./words";

/** Every endpoint of a task: those that came with it, or all pages. */
async function endpointsOf(task: Task, commands: Command[]): Promise<{ id: string; name: string }[]> {
  const found = new Map<string, string>();
  const put = (rows: Command[]): void => {
    for (const row of rows) found.set(row.endpoint_id, row.endpoint_name);
  };
  put(commands);
  let cursor: string | undefined;
  while (found.size < task.target_count) {
    const page = await data(
      api.GET("/api/v1/tasks/{id}/commands", {
        params: { path: { id: task.id }, query: { limit: 500, view: "row", ...(cursor ? { cursor } : {}) } },
      }),
    );
    put(page.items);
    if (!page.next) break;
    cursor = page.next;
  }
  return [...found].map(([id, name]) => ({ id, name }));
}

export function Deeds({ task, commands }: { task: Task; commands: Command[] }) {
  const me = useMe();
  const act = useAct();
  const clipboard = useClipboard();
  const action = useAction(task.action);
  const facts = useActions().find((each) => each.id === task.action);
  const [dialog, setDialog] = useState<"cancel" | "undo">();
  const params = givenParams(action?.params_schema as Schema | undefined, task.params as Record<string, unknown>);
  const close = (): void => {
    setDialog(undefined);
  };
  const withEndpoints = (use: (endpoints: { id: string; name: string }[]) => void) => (): void => {
    void endpointsOf(task, commands).then(use, (error: unknown) => {
      notifications.show({ color: "red", title: "The endpoints were not read", message: asApiError(error).message });
    });
  };
  const copy = (write: (endpoints: string[]) => string) =>
    withEndpoints((endpoints) => {
      clipboard.copy(write(endpoints.map((each) => each.id)));
      notifications.show({
        message: isHidden(task.params as Record<string, unknown>)
          ? "Copied, without the parameters that are hidden: add them."
          : "Copied.",
      });
    });
  return (
    <>
      {isEnded(task.state) ? (
        <Deed
          variant={facts?.undone_by ? "filled" : "default"}
          leftSection={<IconArrowBackUp size={16} aria-hidden />}
          why={whyNoUndo(me, task, facts, commands)}
          onClick={() => {
            setDialog("undo");
          }}
        >
          Undo
        </Deed>
      ) : (
        <Deed
          variant="default"
          leftSection={<IconBan size={16} aria-hidden />}
          why={
            task.cancel_requested_at ? "It was asked to stop; what runs says how it ends." : whyNot(me, "task.cancel")
          }
          onClick={() => {
            setDialog("cancel");
          }}
        >
          Cancel
        </Deed>
      )}
      <Deed
        variant="default"
        leftSection={<IconRepeat size={16} aria-hidden />}
        why={whyNot(me, "task.submit", task.action)}
        onClick={withEndpoints((endpoints) => {
          act({ action: task.action, endpoints: endpoints.map((each) => each.id), params, reason: task.reason });
        })}
      >
        Repeat
      </Deed>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" leftSection={<IconCopy size={16} aria-hidden />}>
            Copy as
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={copy((endpoints) => asCli({ task, endpoints, params }))}>
            Command line (quell act)
          </Menu.Item>
          <Menu.Item onClick={copy((endpoints) => asCurl({ task, endpoints, params }, window.location.origin))}>
            HTTP request (curl)
          </Menu.Item>
          <Menu.Item
            onClick={() => {
              clipboard.copy(inert(task.id));
            }}
          >
            Id of the task
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {dialog === "cancel" ? <CancelMany tasks={[task]} close={close} /> : null}
      {dialog === "undo" ? <UndoDialog task={task} close={close} /> : null}
    </>
  );
}
