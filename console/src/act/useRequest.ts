/// The state of a request while it is put together, and its sending: once, however often it is pressed.

import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { $api, type Schemas } from "../api/client";
import { asApiError, type ApiError } from "../api/problem";
import { refresh } from "../api/query";
import { fieldsOf, type Field } from "../form/fields";
import { problemsFrom, type Problems } from "../form/problems";
import type { Json, Schema } from "../form/schema";
import { NEEDED, paramsOf, problemsOf, valuesOf, type Values } from "../form/values";
import { inert } from "../ui/text";
import { against } from "./against";
import { answers, bodyOf, challengeOf, draftOf, targetsOf, type Action, type Challenge, type Draft } from "./draft";
import { usePreview, type Preview } from "./preview";
import type { Start } from "./start";

/** Said instead of sending. */
export const ASKING = "The server is being asked what this would do.";

export type RequestState = {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
  action: Action | undefined;
  fields: Field[] | undefined;
  about: string | undefined;
  values: Values;
  changeValues: (values: Values) => void;
  problems: Problems;
  /** What is wrong with a field outside of the parameters. */
  problem: (field: string) => string | undefined;
  preview: Preview | undefined;
  previewError: unknown;
  askAgain: () => void;
  isAsking: boolean;
  isOld: boolean;
  /** What keeps the server from being asked what it would do. */
  open: string | undefined;
  challenge: Challenge | undefined;
  typed: string;
  type: (text: string) => void;
  /** Why it cannot be sent now. */
  why: string | undefined;
  send: () => void;
  isSending: boolean;
  failure: ApiError | null;
  schemaError: unknown;
  readAgain: () => void;
};

export function useRequest(start: Start, kept: Draft | undefined, actions: Action[], done: () => void): RequestState {
  const [draft, setDraft] = useState<Draft>(() => kept ?? draftOf(start));
  const [typed, type] = useState("");
  const [isTried, setTried] = useState(false);
  const change = (part: Partial<Draft>): void => {
    setDraft((before) => ({ ...before, ...part }));
  };
  const action = actions.find((each) => each.id === draft.action);
  const { fields, about, values, error: schemaError, readAgain } = useParams(draft, start);
  const changeValues = (next: Values): void => {
    if (draft.action !== null) change({ params: { ...draft.params, [draft.action]: next } });
  };

  const local = useMemo(() => problemsOf(fields ?? [], values), [fields, values]);
  const params = useMemo(() => paramsOf(fields ?? [], values), [fields, values]);
  const isReady = fields !== undefined && local.size === 0;
  // The reason changes nothing of what would happen, so it is not asked about with every letter.
  const asked = isReady ? bodyOf({ ...draft, reason: "preview" }, action, params) : undefined;
  const { preview, error, again, isAsking, isOld } = usePreview(asked);

  const sending = useSending(done);
  // Where nothing was said yet, what the server misses is no mistake: it stands beside the form, and not at its fields.
  const isSaid = isTried || Object.keys(params).length > 0;
  const refused = sending.failure ?? (error != null && isSaid ? asApiError(error) : null);
  // What is only missing is said once it was tried; what is wrong at once.
  const said = useMemo(
    () => new Map([...local].filter(([, problem]) => isTried || problem !== NEEDED)),
    [local, isTried],
  );
  const challenge = action && preview ? challengeOf(action, preview) : undefined;
  const isAnswered = answers(challenge, typed);

  const send = (): void => {
    setTried(true);
    const count = challenge?.what === "count" ? Number(challenge.text) : (preview?.confirm_count ?? undefined);
    const body = bodyOf(draft, action, params, count);
    if (body === undefined || !isReady || body.reason === "" || preview === undefined || isOld || !isAnswered) {
      focusFirst([
        ...(targetsOf(draft, action) === undefined ? ["targets"] : []),
        ...local.keys(),
        ...(draft.reason.trim() === "" ? ["reason"] : []),
        ...(isAnswered ? [] : ["typed"]),
      ]);
      return;
    }
    sending.send(body);
  };

  const problem = (field: string): string | undefined => {
    if (isTried && field === "reason" && draft.reason.trim() === "") return NEEDED;
    if (isTried && field === "targets" && targetsOf(draft, action) === undefined) return "Name at least one.";
    return refused?.problem.fields?.find(({ field: at }) => at === field || at.startsWith(`${field}.`))?.problem;
  };
  return {
    draft,
    change,
    action,
    fields,
    about,
    values,
    changeValues,
    problems: problemsFrom(said, refused, "params"),
    problem,
    preview,
    previewError: error,
    askAgain: again,
    isAsking,
    isOld,
    open: openOf(draft, action, fields, local.size > 0),
    challenge,
    typed,
    type,
    why: asked === undefined ? unread(draft, fields, schemaError) : whyOf(preview, error, isOld),
    send,
    isSending: sending.isSending,
    failure: sending.failure,
    schemaError,
    readAgain,
  };
}

/** Why what can be asked about cannot be sent: nothing is, before it was said what would come of exactly that. */
function whyOf(preview: Preview | undefined, error: unknown, isOld: boolean): string | undefined {
  if (isOld) return ASKING;
  if (error != null) return `What this would do is not known: ${inert(against(error).join("; ").replaceAll("`", ""))}`;
  if (preview === undefined) return ASKING;
  return preview.refused == null ? undefined : inert(preview.refused.message);
}

/** What else is missing is pointed at, rather than told. */
function unread(draft: Draft, fields: Field[] | undefined, error: unknown): string | undefined {
  if (draft.action === null || fields !== undefined) return undefined;
  return error == null ? "The action is being read." : "What the action asks for could not be read.";
}

function openOf(
  draft: Draft,
  action: Action | undefined,
  fields: Field[] | undefined,
  isWrong: boolean,
): string | undefined {
  if (targetsOf(draft, action) === undefined) return "Say on what: then the server tells what would happen.";
  if (fields === undefined) return "Reading the action…";
  return isWrong ? "Fill in the parameters: then the server tells what would happen." : undefined;
}

/** The action's parameters: its form, and what stands in it. */
function useParams(draft: Draft, start: Start) {
  const answer = $api.useQuery(
    "get",
    "/api/v1/actions/{id}",
    { params: { path: { id: draft.action ?? "" } } },
    { enabled: draft.action !== null, staleTime: Infinity },
  );
  const schema = answer.data?.params_schema as Schema | undefined;
  const fields = useMemo(() => (schema === undefined ? undefined : fieldsOf(schema)), [schema]);
  const mine = draft.action === null ? undefined : draft.params[draft.action];
  const given = start.action === draft.action ? start.params : undefined;
  const values = useMemo(
    () => mine ?? valuesOf(fields ?? [], (given ?? {}) as { [name: string]: Json }),
    [mine, fields, given],
  );
  const readAgain = (): void => void answer.refetch();
  return { fields, about: schema?.description, values, error: answer.error, readAgain };
}

function useSending(done: () => void) {
  const navigate = useNavigate();
  // One for the whole life of the dialog: a second press, or a repeat after a broken line, is the same task.
  const [key] = useState(freshKey);
  const { mutate, isPending, error } = $api.useMutation("post", "/api/v1/tasks", {
    onSuccess: async (task) => {
      done();
      void refresh("/api/v1/tasks", "/api/v1/overview", "/api/v1/approvals");
      await navigate({ to: placeOf(task) });
    },
  });
  const send = (body: NonNullable<ReturnType<typeof bodyOf>>): void => {
    if (!isPending) mutate({ params: { header: { "Idempotency-Key": key } }, body });
  };
  const failure = error === null ? null : asApiError(error);
  // Who declined to confirm knows it.
  return { send, isSending: isPending, failure: failure?.code === "step_up_needed" ? null : failure };
}

/** Where it goes on: one shell at its terminal, all else at the task. */
function placeOf(task: Schemas["TaskWithCommands"]): string {
  const [command] = task.commands.items;
  const isShell = task.action === "endpoint.remote_shell" && task.target_count === 1 && command !== undefined;
  return isShell ? `/shells/${command.id}` : `/tasks/${task.id}`;
}

/** 128 random bits; `randomUUID` is not there on a page without TLS. */
export function freshKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Puts the person where something is missing. */
function focusFirst(paths: string[]): void {
  requestAnimationFrame(() => {
    for (const path of paths) {
      const found = document.querySelector<HTMLElement>(`[data-path="${CSS.escape(path)}"]`);
      if (found !== null) {
        found.focus();
        return;
      }
    }
  });
}
