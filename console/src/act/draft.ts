/// What a person is about to ask for, while they put it together; pure, so that it can be tried in a test.

import type { Schemas } from "../api/client";
import type { Json } from "../form/schema";
import type { Values } from "../form/values";
import { clip, count, inert, toType } from "../ui/text";
import type { Preview } from "./preview";
import type { Start } from "./start";

export type Action = Schemas["Action"];
export type NewTask = Schemas["NewTask"];

/** How the targets are named. */
export type By = "endpoints" | "tags" | "all";

export type Draft = {
  action: string | null;
  /** Of every action that was looked at, so that changing one's mind loses nothing. */
  params: Record<string, Values>;
  by: By;
  endpoints: string[];
  tags: string[];
  reason: string;
  revertAfter: number | null;
  expiresIn: number | null;
};

export function draftOf(start: Start): Draft {
  return {
    action: start.action ?? null,
    params: {},
    by: "endpoints",
    endpoints: [...new Set(start.endpoints ?? [])],
    tags: [],
    reason: start.reason ?? "",
    revertAfter: null,
    expiresIn: null,
  };
}

/** Whether there is anything in it that would be missed. */
export function isBegun(draft: Draft): boolean {
  return draft.action !== null && (draft.endpoints.length > 0 || draft.tags.length > 0 || draft.reason !== "");
}

/** Whether the action is for a service as a whole, so that nothing is to be named. */
export function isForService(action: Pick<Action, "target"> | undefined): boolean {
  return action?.target === "service";
}

/** On what, or `undefined` where that is not said yet. */
export function targetsOf(draft: Draft, action?: Pick<Action, "target">): NonNullable<NewTask["targets"]> | undefined {
  if (isForService(action)) return {};
  if (draft.by === "all") return { all: true };
  if (draft.by === "tags") return draft.tags.length > 0 ? { tags: draft.tags } : undefined;
  return draft.endpoints.length > 0 ? { endpoints: draft.endpoints } : undefined;
}

/** Whether another action takes it back, which a timer can ask for. */
export function hasWayBack(action: Pick<Action, "effect" | "undone_by">): boolean {
  return action.effect === "reversible" && action.undone_by != null;
}

/** The body of `POST /tasks`, or `undefined` while action or targets are open. */
export function bodyOf(
  draft: Draft,
  action: Action | undefined,
  params: { [name: string]: Json },
  confirmCount?: number,
): NewTask | undefined {
  const targets = targetsOf(draft, action);
  if (action === undefined || targets === undefined) return undefined;
  // A period that was chosen for another action goes no further.
  const revertAfter = hasWayBack(action) ? draft.revertAfter : null;
  return {
    action: action.id,
    targets,
    params: params as NonNullable<NewTask["params"]>,
    reason: draft.reason.trim(),
    ...(revertAfter === null ? {} : { revert_after_seconds: revertAfter }),
    ...(draft.expiresIn === null ? {} : { expires_in_seconds: draft.expiresIn }),
    ...(confirmCount === undefined ? {} : { confirm_count: confirmCount }),
  };
}

/** What has to be typed before the button works. */
export type Challenge = { what: "name" | "id" | "count"; text: string };

/** What cannot be taken back at once, does much harm when meant for another, or hits many, is confirmed by typing what it hits. */
export function challengeOf(action: Action, preview: Preview): Challenge | undefined {
  const size = preview.target_count;
  if (size === 0) return undefined;
  const isGrave = ["irreversible", "piecewise"].includes(preview.way_back.effect) || action.risk === "high";
  if (size === 1 && preview.confirm_count == null) {
    if (!isGrave) return undefined;
    const target = preview.targets[0];
    if (target === undefined) return { what: "count", text: "1" };
    return toType(target.name, target.id);
  }
  return { what: "count", text: String(preview.confirm_count ?? size) };
}

/** Whether `typed` answers it; numbers may be grouped, names written in any case. */
export function answers(challenge: Challenge | undefined, typed: string): boolean {
  if (challenge === undefined) return true;
  const text = typed.trim();
  return challenge.what === "count"
    ? text.replaceAll(/[,. ]/g, "") === challenge.text
    : text.toLowerCase() === challenge.text.toLowerCase();
}

/** `Run Remote Custom Script` as part of a sentence: `Run remote custom script`. */
function sentence(title: string): string {
  const [first = "", ...rest] = title.split(" ");
  return [first, ...rest.map((word) => (/^[A-Z][a-z]/.test(word) ? word.toLowerCase() : word))].join(" ");
}

/** The deed with its targets: `Isolate web-1`, `Collect file on 12 endpoints`. */
export function deedOf(action: Pick<Action, "title" | "target">, names: string[], size: number): string {
  const kind = String(action.target);
  const [only] = names;
  const object = size === 1 && only !== undefined ? clip(inert(only), 40) : count(size, kind);
  const words = action.title.split(" ");
  const isNamed = words.length > 1 && words.at(-1)?.toLowerCase() === kind;
  return isNamed ? `${sentence(words.slice(0, -1).join(" "))} ${object}` : `${sentence(action.title)} on ${object}`;
}
