/// The state of a response while it is put together, and its sending: once, however often it is pressed.

import { Anchor, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { answers, challengeOf, hasWayBack, type Action, type Challenge, type Draft } from "../../../act/draft";
import type { Preview } from "../../../act/preview";
import { ASKING, freshKey } from "../../../act/useRequest";
import { $api } from "../../../api/client";
import { asApiError, type ApiError } from "../../../api/problem";
import { refresh } from "../../../api/query";
import { fieldsOf, type Field } from "../../../form/fields";
import { problemsFrom, type Problems } from "../../../form/problems";
import type { Json, Schema } from "../../../form/schema";
import { NEEDED, paramsOf, problemsOf, valuesOf, type Values } from "../../../form/values";
import { inert } from "../../../ui/text";
import { useActions } from "../../tasks/catalogue";
import { bodyOf, chosenParams } from "./offers";
import { useResponsePreview } from "./preview";
import type { Asked } from "./RespondDialog";

export type Response = {
  action: Action | undefined;
  titles: ReadonlyMap<string, string>;
  fields: Field[];
  schemaError: unknown;
  values: Values;
  changeValues: (values: Values) => void;
  problems: Problems;
  problem: (field: string) => string | undefined;
  isChosen: (field: string) => boolean;
  choose: (field: string, value: boolean) => void;
  reason: string;
  say: (reason: string) => void;
  hasWayBack: boolean;
  revertAfter: number | null;
  setRevertAfter: (seconds: number | null) => void;
  /** As far as the preview is told of it. */
  draft: Draft;
  preview: Preview | undefined;
  previewError: unknown;
  askAgain: () => void;
  isAsking: boolean;
  isOld: boolean;
  open: string | undefined;
  challenge: Challenge | undefined;
  typed: string;
  type: (text: string) => void;
  why: string | undefined;
  send: () => void;
  isSending: boolean;
  failure: ApiError | null;
};

export function useRespond({ incident, offer, about }: Asked, close: () => void): Response {
  const actions = useActions();
  const action = actions.find(({ id }) => id === offer.action);
  const titles = useMemo(() => new Map(actions.map(({ id, title }) => [id, title])), [actions]);
  const form = useForm(offer);
  const [chosen, setChosen] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [reason, say] = useState("");
  const [revertAfter, setRevertAfter] = useState<number | null>(null);
  const [typed, type] = useState("");
  const [isTried, setTried] = useState(false);

  const isBack = action !== undefined && hasWayBack(action);
  const params = offer.asks ? form.params : chosenParams(offer, chosen);
  const isReady = !offer.asks || (form.isRead && form.local.size === 0);
  const body = (why: string) => bodyOf(offer, about, params, why, isBack ? revertAfter : null);
  // The reason changes nothing of what would happen, so it is not asked about with every letter.
  const asking = useResponsePreview(incident.id, isReady ? body("preview") : undefined);
  const sending = useSending(incident.id, close);

  const challenge = action !== undefined && asking.preview ? challengeOf(action, asking.preview) : undefined;
  const isSaid = isTried || Object.keys(form.params).length > 0;
  const refused = sending.failure ?? (asking.error != null && isSaid ? asApiError(asking.error) : null);
  const said = new Map([...form.local].filter(([, problem]) => isTried || problem !== NEEDED));
  const open = isReady ? undefined : "Fill in the parameters: then the server tells what would happen.";
  const problem = (field: string): string | undefined => {
    if (isTried && field === "reason" && reason.trim() === "") return NEEDED;
    return refused?.field(field);
  };
  return {
    action,
    titles,
    fields: form.fields,
    schemaError: form.error,
    values: form.values,
    changeValues: form.setValues,
    problems: problemsFrom(said, refused, "params"),
    problem,
    isChosen: (field) => chosen.get(field) ?? offer.choices.find((choice) => choice.field === field)?.preset ?? false,
    choose: (field, value) => {
      setChosen((before) => new Map(before).set(field, value));
    },
    reason,
    say,
    hasWayBack: isBack,
    revertAfter,
    setRevertAfter,
    draft: {
      action: offer.action,
      params: {},
      by: "endpoints",
      endpoints: [],
      tags: [],
      reason,
      revertAfter,
      expiresIn: null,
    },
    preview: asking.preview,
    previewError: asking.error,
    askAgain: asking.again,
    isAsking: asking.isAsking,
    isOld: asking.isOld,
    open,
    challenge,
    typed,
    type,
    why:
      open ?? whyOf(asking.preview, asking.error, asking.isOld) ?? missing(reason, answers(challenge, typed), isTried),
    send: () => {
      setTried(true);
      if (reason.trim() !== "" && answers(challenge, typed)) sending.send(body(reason.trim()));
    },
    isSending: sending.isSending,
    failure: sending.failure,
  };
}

/** What is only missing is said once it was tried: until then the button can be pressed, and points at it. */
function missing(reason: string, isAnswered: boolean, isTried: boolean): string | undefined {
  if (!isTried) return undefined;
  if (reason.trim() === "") return "Say why.";
  return isAnswered ? undefined : "Type what is asked for to confirm.";
}

function whyOf(preview: Preview | undefined, error: unknown, isOld: boolean): string | undefined {
  if (isOld) return ASKING;
  if (error != null) return inert(asApiError(error).message);
  if (preview === undefined) return ASKING;
  return preview.refused == null ? undefined : inert(preview.refused.message);
}

/** The form of an action whose parameters a person gives. */
function useForm(offer: Asked["offer"]) {
  const answer = $api.useQuery(
    "get",
    "/api/v1/actions/{id}",
    { params: { path: { id: offer.action } } },
    { enabled: offer.asks, staleTime: Infinity },
  );
  const schema = answer.data?.params_schema as Schema | undefined;
  const fields = useMemo(() => (schema === undefined ? [] : fieldsOf(schema)), [schema]);
  const [own, setValues] = useState<Values>();
  const values = useMemo(
    () => own ?? valuesOf(fields, (offer.params ?? {}) as { [name: string]: Json }),
    [own, fields, offer],
  );
  const local = useMemo(() => problemsOf(fields, values), [fields, values]);
  const params = useMemo(() => (offer.asks ? paramsOf(fields, values) : {}), [offer.asks, fields, values]);
  return { fields, values, setValues, local, params, isRead: schema !== undefined, error: answer.error };
}

function useSending(incident: string, close: () => void) {
  const navigate = useNavigate();
  // One for the whole life of the dialog: a second press, or a repeat after a broken line, is the same task.
  const [key] = useState(freshKey);
  const { mutate, isPending, error } = $api.useMutation("post", "/api/v1/incidents/{id}/respond", {
    onSuccess: (task) => {
      close();
      void refresh("/api/v1/tasks", "/api/v1/incidents", "/api/v1/overview", "/api/v1/approvals", "/api/v1/detections");
      const isWaiting = task.state === "pending_approval";
      notifications.show({
        title: isWaiting ? `Asked for approval: ${task.title}` : `Asked for: ${task.title}`,
        color: isWaiting ? "yellow" : "teal",
        closeButtonProps: { "aria-label": "Close" },
        message: (
          <Text size="sm">
            It stands under Response actions.{" "}
            <Anchor
              component="button"
              type="button"
              size="sm"
              onClick={() => {
                void navigate({ to: `/tasks/${task.id}` });
              }}
            >
              Open the task
            </Anchor>
          </Text>
        ),
      });
    },
  });
  const failure = error === null ? null : asApiError(error);
  return {
    send: (body: ReturnType<typeof bodyOf>): void => {
      if (isPending) return;
      mutate({ params: { path: { id: incident }, header: { "Idempotency-Key": key } }, body });
    },
    isSending: isPending,
    // Who declined to confirm knows it.
    failure: failure?.code === "step_up_needed" ? null : failure,
  };
}
