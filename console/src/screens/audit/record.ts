/// A record of the trail: where its object is shown.

import type { Schemas } from "../../api/client";

export type AuditRecord = Schemas["AuditRecord"];

function detailOf(record: AuditRecord, name: string): string | undefined {
  const value = (record.detail as Record<string, unknown> | null | undefined)?.[name];
  return typeof value === "string" && /^[0-9a-f-]{36}$/.test(value) ? value : undefined;
}

/** The screen on which the object of a record is shown, if there is one. */
export function placeOf(record: AuditRecord): string | undefined {
  const { object_kind: kind, object_id: id } = record;
  const task = detailOf(record, "task");
  switch (kind) {
    case "task":
      return `/tasks/${id}`;
    case "command":
    case "artifact":
      return task === undefined ? undefined : `/tasks/${task}`;
    case "endpoint":
      return `/endpoints/${id}`;
    case "enrolment_token":
      return "/endpoints/tokens";
    case "library": {
      const [of, name] = [detailOf(record, "kind"), detailOf(record, "name")];
      return of === undefined || name === undefined ? undefined : `/library/${of}/${encodeURIComponent(name)}`;
    }
    case "person":
    case "member":
      return "/settings/people";
    case "role":
      return "/settings/roles";
    case "api_key":
      return "/settings/keys";
    case "webhook":
      return "/settings/webhooks";
    case "identity_provider":
      return "/settings/sso";
    default:
      return undefined;
  }
}

/** The moment at which an id was made: the trail's ids begin with it (RFC 9562, version 7). */
export function madeAt(id: string): number | undefined {
  const found = /^([0-9a-f]{8})-([0-9a-f]{4})-7/.exec(id);
  return found === null ? undefined : Number.parseInt(`${found[1] ?? ""}${found[2] ?? ""}`, 16);
}

/** A span around a moment, as the API takes it. */
export function around(at: number, milliseconds: number): { since: string; until: string } {
  return {
    since: new Date(at - milliseconds).toISOString(),
    until: new Date(at + milliseconds).toISOString(),
  };
}

/** `ok` and what ended well; anything else is to be seen. */
export function isFine(outcome: string): boolean {
  return outcome === "ok" || outcome === "succeeded" || outcome === "auto" || outcome === "approved";
}
