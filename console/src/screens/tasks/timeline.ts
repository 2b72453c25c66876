/// From request to verification: what happened to a task, in order, out of what the server knows of it.

import type { Schemas } from "../../api/client";
import { count, words } from "../../ui/text";
import { isEnded, sayFrom, type Command, type Task } from "./words";

type Approval = Schemas["Approval"];
type AuditRecord = Schemas["AuditRecord"];

export type Tone = "ok" | "warn" | "bad" | "busy" | "quiet";

/** One thing that happened, or will. */
export type Moment = {
  at: string;
  what: string;
  who?: string | undefined;
  note?: string | undefined;
  tone: Tone;
  isFuture?: boolean;
  /** The task that it leads to. */
  task?: string;
};

export type Sources = {
  task: Task;
  commands: Command[];
  approval?: Approval | undefined;
  audit?: AuditRecord[] | undefined;
  undoneBy?: Task | undefined;
};

const ENDS: Record<string, Tone> = { succeeded: "ok", canceled: "quiet", expired: "quiet" };

function least(values: (string | null | undefined)[]): string | undefined {
  return values.filter((value) => value !== null && value !== undefined).sort()[0];
}

function ofApproval(approval: Approval): Moment[] {
  if (approval.state === "auto") {
    return [{ at: approval.created_at, what: "Approved by the settings", note: approval.trace.at(-1), tone: "ok" }];
  }
  const asked = count(approval.quorum, "person", "people");
  const moments: Moment[] = [
    {
      at: approval.created_at,
      what: "Approval asked for",
      note: `of ${asked}${approval.roles.length > 0 ? ` (${approval.roles.join(", ")})` : ""}`,
      tone: "warn",
    },
  ];
  for (const each of approval.decisions) {
    moments.push({
      at: each.decided_at,
      what: `${each.decision === "approve" ? "Approved" : "Rejected"}${each.signed ? ", signed" : ""}`,
      who: each.name,
      note: each.note,
      tone: each.decision === "approve" ? "ok" : "bad",
    });
    if (each.revoked_at)
      moments.push({ at: each.revoked_at, what: "Approval taken back", who: each.name, tone: "bad" });
  }
  return moments;
}

function ofCommands(task: Task, commands: Command[]): Moment[] {
  const isOne = task.target_count === 1;
  const first = isOne ? "" : " on the first endpoint";
  const moments: Moment[] = [];
  const put = (at: string | undefined, what: string, tone: Tone): void => {
    if (at !== undefined) moments.push({ at, what, tone });
  };
  put(
    least(commands.map((each) => each.dispatched_at)),
    isOne ? "Handed to the agent" : "Handed to the first agent",
    "busy",
  );
  put(least(commands.map((each) => each.started_at)), `Begun${first}`, "busy");
  if (isOne) put(least(commands.map((each) => each.outcome_at)), "Outcome reported", "busy");
  return moments;
}

/** Verbs of the audit trail that tell what nothing else here tells. */
function ofAudit(records: AuditRecord[]): Moment[] {
  return records
    .filter(({ verb }) => verb === "task.cancel" || verb.startsWith("secret.") || verb.includes("password"))
    .map((record) => ({
      at: record.at,
      what: record.verb === "task.cancel" ? "Cancel asked for" : words(record.verb),
      who: record.actor_name,
      note: record.outcome === "ok" ? undefined : record.outcome,
      tone: "quiet" as const,
    }));
}

function ofEnd(task: Task, commands: Command[]): Moment[] {
  if (!task.ended_at) return [];
  const only = task.target_count === 1 ? commands[0] : undefined;
  const verdict = (only?.evidence as { verdict?: string } | null | undefined)?.verdict;
  const what =
    verdict === "verified"
      ? "Verified: the effect was seen"
      : task.target_count > 1
        ? `Ended: ${String(task.succeeded_count)} of ${count(task.target_count, "endpoint")} succeeded`
        : `Ended: ${words(task.state)}`;
  return [{ at: task.ended_at, what, note: only?.message ?? undefined, tone: ENDS[task.state] ?? "bad" }];
}

/** What will be, as things stand. */
function toCome(task: Task): Moment[] {
  const moments: Moment[] = [];
  if (!isEnded(task.state) && task.state !== "running") {
    moments.push({ at: task.expires_at, what: "Given up, where nobody began it", tone: "quiet", isFuture: true });
  }
  if (task.revert_at) moments.push({ at: task.revert_at, what: "Undoes itself", tone: "warn", isFuture: true });
  return moments;
}

export function timeline({ task, commands, approval, audit, undoneBy }: Sources): Moment[] {
  const told = ofAudit(audit ?? []);
  const moments: Moment[] = [
    {
      at: task.created_at,
      what: task.undo_of ? "Undo asked for" : "Asked for",
      who: task.requester.name,
      note: `from ${sayFrom(task.created_from)}`,
      tone: "quiet",
    },
    ...(approval === undefined ? [] : ofApproval(approval)),
    ...ofCommands(task, commands),
    ...told,
    ...ofEnd(task, commands),
  ];
  if (task.cancel_requested_at && !told.some((moment) => moment.what === "Cancel asked for")) {
    moments.push({ at: task.cancel_requested_at, what: "Cancel asked for", tone: "quiet" });
  }
  if (undoneBy !== undefined) {
    moments.push({
      at: undoneBy.created_at,
      what: "Undo asked for",
      who: undoneBy.requester.name,
      note: undoneBy.reason,
      tone: "quiet",
      task: undoneBy.id,
    });
  }
  // Array.sort is stable: what happened in the same microsecond stays in the order of its kind.
  return [...moments.sort((one, other) => compare(one.at, other.at)), ...toCome(task)];
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
