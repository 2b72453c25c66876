/// A request for approval as the screens read it: what it would touch, how many agreed, what is worth a second look.

import { $api, type Schemas } from "../../api/client";
import type { Me } from "../../api/me";
import { count } from "../../ui/text";

export type Request = Schemas["Approval"];

/** What it would touch, as it was when it was asked. */
export type Blast = {
  /** How many endpoints. */
  targets: number;
  /** The first of them. */
  endpoints: { id: string; name: string }[];
  protected: { endpoint: string; why: string }[];
  protectedCount: number;
  loggedOn: { endpoint: string; users: string[] }[];
  /** Commands that waited or ran there. */
  pending: number;
  isolated: number;
  isReadOnly: boolean;
  /** The action that undoes it, at once or piece by piece. */
  undoneBy: string | undefined;
  /** What it changes is undone by a request for each thing, not by one for all. */
  isPiecewise: boolean;
  /** Seconds after its effect. */
  revertAfter: number | undefined;
  risk: string;
};

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function rows(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value)
    ? value.filter((row): row is Record<string, unknown> => typeof row === "object" && row !== null)
    : [];
}

/** Reads it; what is absent is none. */
export function blastOf(request: { blast: unknown }): Blast {
  const blast = (typeof request.blast === "object" && request.blast !== null ? request.blast : {}) as Record<
    string,
    unknown
  >;
  const endpoints = rows(blast["endpoints"]).map((row) => ({ id: text(row["id"]), name: text(row["name"]) }));
  const guarded = rows(blast["protected"]).map((row) => ({ endpoint: text(row["endpoint"]), why: text(row["why"]) }));
  return {
    targets: Math.max(number(blast["targets"]), endpoints.length),
    endpoints,
    protected: guarded,
    protectedCount: Math.max(number(blast["protected_count"]), guarded.length),
    loggedOn: rows(blast["logged_on"]).map((row) => ({
      endpoint: text(row["endpoint"]),
      users: Array.isArray(row["users"]) ? row["users"].filter((user) => typeof user === "string") : [],
    })),
    pending: number(blast["pending_commands"]),
    isolated: number(blast["isolated"]),
    isReadOnly: blast["read_only"] === true,
    undoneBy: text(blast["reversible_by"]) || text(blast["undone_by"]) || undefined,
    isPiecewise: blast["effect"] === "piecewise",
    revertAfter: number(blast["revert_after_seconds"]) || undefined,
    risk: text(blast["risk"]),
  };
}

/** From this many targets on a request is one of many. */
const MANY = 10;

export type Warning = { id: string; tone: "bad" | "warn" | "quiet"; label: string; about: string };

/** What is worth a second look, the worst first. */
export function warningsOf(request: Request): Warning[] {
  const blast = blastOf(request);
  const found: Warning[] = [];
  if (blast.protectedCount > 0)
    found.push({
      id: "protected",
      tone: "bad",
      label: blast.targets === 1 ? "protected" : `${String(blast.protectedCount)} protected`,
      about: `Protected: ${blast.protected.map((one) => `${one.endpoint} (${one.why})`).join(", ")}.`,
    });
  if (request.trace.some((line) => line.includes("list of exceptions")))
    found.push({
      id: "excepted",
      tone: "warn",
      label: "exception list",
      about: "An endpoint on the list of exceptions: the settings approve nothing there by themselves.",
    });
  if (blast.targets >= MANY)
    found.push({
      id: "many",
      tone: "bad",
      label: count(blast.targets, "endpoint"),
      about: `It acts on ${count(blast.targets, "endpoint")} at once.`,
    });
  if (!blast.isReadOnly && blast.undoneBy === undefined)
    found.push({ id: "final", tone: "bad", label: "no way back", about: "What it does cannot be undone." });
  if (blast.loggedOn.length > 0)
    found.push({
      id: "logged-on",
      tone: "warn",
      label: "logged on",
      about: `Logged on when it was asked: ${blast.loggedOn.map((one) => `${one.users.join(", ")} on ${one.endpoint}`).join("; ")}.`,
    });
  if (blast.pending > 0)
    found.push({
      id: "pending",
      tone: "quiet",
      label: `${String(blast.pending)} waiting there`,
      about: `${count(blast.pending, "other command")} waited or ran on these endpoints when it was asked.`,
    });
  return found;
}

/** Who agrees now, as far as the request itself says. */
export function agreed(request: Request): number {
  return request.decisions.filter((one) => one.decision === "approve" && !one.revoked_at).length;
}

/** `web-1, db-1 and 10 more`. */
export function targetsOf(blast: Blast, shown = 2): string {
  const names = blast.endpoints.slice(0, shown).map((endpoint) => endpoint.name);
  const rest = blast.targets - names.length;
  if (names.length === 0) return count(blast.targets, "endpoint");
  return rest > 0 ? `${names.join(", ")} and ${String(rest)} more` : names.join(", ");
}

/** Who has to agree, in words. */
export function whoAgrees(request: Request): string {
  if (request.quorum === 0) return "nobody: the settings answered";
  const people = request.quorum === 1 ? "1 person" : `${String(request.quorum)} people`;
  return request.roles.length === 0
    ? `${people} who may decide`
    : `${people}, each with one of the roles ${request.roles.map((role) => role.replaceAll("_", " ")).join(", ")}`;
}

/** The response plan whose step it is: people decide about the plan. */
export function planOf(request: Request): string | undefined {
  return request.plan ?? undefined;
}

/** What hinders from deciding, or `undefined`. */
export function hinders(request: Request): string | undefined {
  if (planOf(request) !== undefined && request.state === "pending")
    return "it is a step of a response plan: decide about the plan";
  if (request.you) return request.you.hinders ?? undefined;
  return request.state === "pending" ? "only a person decides" : `it is ${request.state} already`;
}

/** The decision that this person took, unless they took it back. */
export function ownDecision(request: Request, me: Me): Schemas["Decision"] | undefined {
  return request.decisions.find((one) => one.person === me.id && !one.revoked_at);
}

/** Whether the task can still be held up or stopped by taking an approval away. */
export function isUnderWay(request: Request): boolean {
  return ["pending_approval", "queued", "running"].includes(request.task_state);
}

/** What waits for people, at most the server's longest page. */
export function usePending() {
  return $api.useQuery("get", "/api/v1/approvals", { params: { query: { state: "pending", limit: 500 } } });
}
