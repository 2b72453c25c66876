/// What a person is asked to confirm, read from the very request that the proof will be good for.

import type { Confirmable } from "../api/confirm";
import { clip, count, inert } from "../ui/text";

/** What the console happens to know of what a request names by ids. */
export type Known = {
  action: (id: string) => { title: string; secrets?: string[] } | undefined;
  endpoint: (id: string) => string | undefined;
};

export type Confirmed = {
  /** The deed: an action's title, or method and path. */
  deed: string;
  /** On what, by name where that is known. */
  targets: string[];
  /** On what, where it is no list of names. */
  scope?: string;
  /** How: name and value, of few and short. */
  params: [string, string][];
};

const PARAMS = 4;
const RESPONSE = /^\/api\/v1\/incidents\/[^/]+\/respond$/;
const CUT = /^\/api\/v1\/incidents\/[^/]+\/cut$/;

/** Other requests are told by method and path alone: their bodies may carry secrets. */
export function confirmed({ method, path, body }: Confirmable, known: Known): Confirmed {
  return (
    (method === "POST" && path === "/api/v1/tasks" ? taskOf(body, known) : undefined) ??
    (method === "POST" && RESPONSE.test(path) ? taskOf(body, known, "what the incident names") : undefined) ??
    (method === "POST" && CUT.test(path) ? planOf(body) : undefined) ?? {
      deed: clip(inert(`${method} ${path}`), 120),
      targets: [],
      params: [],
    }
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function read(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** Several actions at once, as a plan. */
function planOf(body: string): Confirmed | undefined {
  const plan = read(body);
  if (!isRecord(plan) || !Array.isArray(plan["steps"])) return undefined;
  const steps = plan["steps"].map(String).join(", ");
  return {
    deed: `Cut the chain: ${count(plan["steps"].length, "step")}`,
    targets: [],
    params: [["steps", clip(inert(steps), 80)]],
  };
}

/** `on` is what it acts on, where the server makes the parameters of what it has stored. */
function taskOf(body: string, known: Known, on?: string): Confirmed | undefined {
  const task = read(body);
  if (!isRecord(task) || typeof task["action"] !== "string") return undefined;
  const action = known.action(task["action"]);
  const targets = isRecord(task["targets"]) ? task["targets"] : {};
  const endpoint = task["endpoint"];
  const named = [...strings(targets["endpoints"]), ...(typeof endpoint === "string" ? [endpoint] : [])];
  const scope = scopeOf(targets) ?? (named.length === 0 ? on : undefined);
  const params = Object.entries(isRecord(task["params"]) ? task["params"] : {});
  const rest = params.length - PARAMS;
  return {
    deed: clip(inert(action?.title ?? task["action"]), 80),
    targets: named.map((id) => known.endpoint(id) ?? id),
    ...(scope === undefined ? {} : { scope }),
    params: [
      ...params
        .slice(0, PARAMS)
        .map(([name, value]): [string, string] => [
          clip(inert(name), 40),
          action === undefined || action.secrets?.includes(name) === true ? "not shown" : valueOf(value),
        ]),
      ...(rest > 0 ? [["and", count(rest, "other parameter")] as [string, string]] : []),
    ],
  };
}

function scopeOf(targets: Record<string, unknown>): string | undefined {
  if (targets["all"] === true) return "every active endpoint";
  const tags = strings(targets["tags"]);
  if (tags.length === 0) return undefined;
  const some = tags.slice(0, 6).map((tag) => `“${clip(inert(tag), 40)}”`);
  const rest = tags.length - some.length;
  return `every active endpoint with the tag ${some.join(" or ")}${rest > 0 ? ` or one of ${count(rest, "other")}` : ""}`;
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

function valueOf(value: unknown): string {
  return clip(inert(typeof value === "string" ? value : JSON.stringify(value)), 80);
}
