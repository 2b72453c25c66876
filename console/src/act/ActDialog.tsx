/// The dialog that asks for an action, wherever one is: what, on what, how, why, and what would come of it.

import { Box, Button, Group, Loader, Modal, Stack, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { lazy, Suspense, useEffect, useMemo, useState, type KeyboardEvent } from "react";

import { $api } from "../api/client";
import { useMe, whyNot } from "../api/me";
import type { Field } from "../form/fields";
import { Help } from "../form/Help";
import { SchemaForm } from "../form/SchemaForm";
import { paramsOf } from "../form/values";
import { Failure } from "../ui/Failure";
import classes from "./act.module.css";
import { ActionPicker } from "./ActionPicker";
import { Blast } from "./Blast";
import { deedOf, hasWayBack, isBegun, isForService, type Action, type Draft } from "./draft";
import { Foot } from "./Foot";
import { Marks } from "./Marks";
import type { Start } from "./start";
import { TargetPicker } from "./TargetPicker";
import { Terms } from "./Terms";
import { useRequest, type RequestState } from "./useRequest";

const ProcessPicker = lazy(() => import("./ProcessPicker"));

/** Whether what names a process beyond doubt, in the words of the catalogue, is asked for. */
function isOfProcess(fields: readonly Field[]): boolean {
  return ["pid", "start_time"].every((name) => fields.some((field) => field.name === name));
}

/** What was begun and not sent, and by whom: closing the dialog by mistake loses nothing. */
let left: { who: string; draft: Draft } | undefined;

export default function ActDialog({ start, close }: { start: Start; close: () => void }) {
  const actions = $api.useQuery("get", "/api/v1/actions", undefined, { staleTime: Infinity });
  const [kept, keep] = useState<Draft | undefined>();
  const who = useWho();
  const isOpen = start.action === undefined && start.endpoints === undefined;
  // As it was when the dialog opened.
  const [begun] = useState(() => (isOpen && left?.who === who ? left.draft : undefined));
  const [isBusy, setBusy] = useState(false);
  const isNarrow = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  return (
    <Modal
      opened
      onClose={close}
      title="Act"
      size={1080}
      fullScreen={isNarrow}
      yOffset="4vh"
      centered={false}
      closeOnClickOutside={false}
      // The dialog that confirms listens to the same key.
      closeOnEscape={!isBusy}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {actions.data === undefined ? (
        actions.error === null ? (
          <Loader m="xl" aria-label="Reading the catalogue" />
        ) : (
          <Failure error={actions.error} retry={() => void actions.refetch()} />
        )
      ) : (
        <Request
          key={kept === undefined ? "new" : "kept"}
          start={start}
          kept={kept}
          begun={kept === undefined ? begun : undefined}
          goOn={() => {
            keep(begun);
          }}
          actions={actions.data}
          close={close}
          busy={setBusy}
        />
      )}
    </Modal>
  );
}

type Props = {
  start: Start;
  kept: Draft | undefined;
  begun: Draft | undefined;
  goOn: () => void;
  actions: Action[];
  close: () => void;
  busy: (is: boolean) => void;
};

function Request({ start, kept, begun, goOn, actions, close, busy }: Props) {
  const request = useRequest(start, kept, actions, () => {
    left = undefined;
    close();
  });
  const { draft, change, action } = request;
  const titles = useMemo(() => new Map(actions.map((each) => [each.id, each.title])), [actions]);
  useLeaving(draft);
  useBusy(request.isSending, busy);
  const keys = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (request.why === undefined && !request.isSending) request.send();
  };
  if (action === undefined) {
    return (
      <Stack>
        {begun === undefined ? null : (
          <Group justify="space-between" className={classes.chosen ?? ""}>
            <Text size="sm">
              You had begun: <b>{titles.get(begun.action ?? "") ?? begun.action}</b>
            </Text>
            <Button size="xs" variant="default" onClick={goOn}>
              Go on with it
            </Button>
          </Group>
        )}
        {draft.action === null ? null : (
          <Text size="sm" c="var(--quell-warn)">
            The catalogue has no action {draft.action}.
          </Text>
        )}
        <ActionPicker
          actions={actions}
          choose={(id) => {
            change({ action: id });
          }}
        />
      </Stack>
    );
  }
  return (
    <Box onKeyDown={keys}>
      <Box className={classes.body}>
        <Form request={request} action={action} titles={titles} />
        <Blast
          draft={draft}
          titles={titles}
          preview={request.preview}
          error={request.previewError}
          askAgain={request.askAgain}
          isAsking={request.isAsking}
          isOld={request.isOld}
          open={request.open}
        />
      </Box>
      <Last request={request} action={action} close={close} />
    </Box>
  );
}

function Last({ request, action, close }: { request: RequestState; action: Action; close: () => void }) {
  const me = useMe();
  const { preview } = request;
  const size = preview?.target_count ?? 0;
  const deed = size > 0 ? deedOf(action, preview?.targets.map(({ name }) => name) ?? [], size) : action.title;
  const why = whyNot(me, "task.submit", action.id) ?? request.why;
  return <Foot last={request} deed={deed} effect={action.effect} why={why} close={close} />;
}

function Form({
  request,
  action,
  titles,
}: {
  request: RequestState;
  action: Action;
  titles: ReadonlyMap<string, string>;
}) {
  const me = useMe();
  const why = whyNot(me, "task.submit", action.id);
  const { draft, change, fields } = request;
  useFirstFocus(
    action.id,
    fields !== undefined,
    firstOpen(draft, action, Object.keys(paramsOf(fields ?? [], request.values))),
  );
  return (
    <Stack gap="md">
      <Box className={classes.chosen}>
        <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
          <Box>
            <Text fw={650}>{action.title}</Text>
            <Text size="xs" c="dimmed" mb={4}>
              {action.summary}
            </Text>
            <Marks action={action} titles={titles} />
          </Box>
          <Button
            size="compact-sm"
            variant="default"
            style={{ flex: "none" }}
            onClick={() => {
              change({ action: null });
            }}
          >
            Change
          </Button>
        </Group>
        {why === undefined ? null : (
          <Text size="sm" c="var(--quell-warn)" mt={6}>
            {why}
          </Text>
        )}
      </Box>
      {isForService(action) ? null : <TargetPicker draft={draft} change={change} error={request.problem("targets")} />}
      {request.schemaError === null ? null : <Failure error={request.schemaError} retry={request.readAgain} />}
      {fields === undefined || fields.length === 0 ? null : (
        <Box component="section" aria-label="Parameters" data-how>
          <Text fw={600} size="sm">
            How
          </Text>
          {request.about === undefined ? null : (
            <Text size="xs" c="dimmed" mb="xs">
              <Help>{request.about}</Help>
            </Text>
          )}
          {isOfProcess(fields) ? (
            <Suspense>
              <ProcessPicker
                key={action.id}
                endpoints={draft.by === "endpoints" ? draft.endpoints : []}
                fields={fields}
                values={request.values}
                change={request.changeValues}
                title={action.title}
              />
            </Suspense>
          ) : null}
          <SchemaForm
            key={action.id}
            fields={fields}
            values={request.values}
            change={request.changeValues}
            problems={request.problems}
          />
        </Box>
      )}
      <Terms draft={draft} change={change} hasWayBack={hasWayBack(action)} problem={request.problem} />
    </Stack>
  );
}

/** Milliseconds after which a dialog that opened or closed leaves the focus alone. */
const SETTLED = 60;

/** What is asked first of what is not known yet. */
function firstOpen(draft: Draft, action: Action, said: string[]): string {
  if (!isForService(action) && draft.by === "endpoints" && draft.endpoints.length === 0) return "[data-path=targets]";
  return said.length === 0 ? "section[data-how] [data-path], [data-path=reason]" : "[data-path=reason]";
}

/** Puts the person there once the form of the action is drawn. */
function useFirstFocus(action: string, isRead: boolean, open: string): void {
  useEffect(() => {
    if (!isRead) return undefined;
    // After the dialog has placed the focus itself, and the palette has given it back.
    const timer = window.setTimeout(() => {
      const all = [...document.querySelectorAll<HTMLElement>(open)];
      // What is folded away has no place on the page.
      all.find((each) => each.offsetParent !== null)?.focus();
    }, SETTLED);
    return () => {
      window.clearTimeout(timer);
    };
    // Once for an action: what is said later moves nobody.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [action, isRead]);
}

function useWho(): string {
  const me = useMe();
  return `${me.tenant.id} ${me.id}`;
}

function useLeaving(draft: Draft): void {
  const who = useWho();
  useEffect(() => {
    if (isBegun(draft)) left = { who, draft };
  }, [who, draft]);
}

function useBusy(isBusy: boolean, tell: (is: boolean) => void): void {
  useEffect(() => {
    tell(isBusy);
  }, [isBusy, tell]);
}
