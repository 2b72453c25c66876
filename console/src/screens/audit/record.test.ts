import { expect, test } from "vitest";

import { around, madeAt, placeOf, type AuditRecord } from "./record";

const ID = "01a2043a-4954-7970-94cb-5afb7a407bab";

function record(object_kind: string, detail: unknown = {}): AuditRecord {
  return {
    id: ID,
    at: "2026-11-22T17:07:38.452420Z",
    actor_kind: "person",
    actor_id: ID,
    actor_name: "Ana",
    verb: "task.submit",
    object_kind,
    object_id: ID,
    outcome: "ok",
    detail,
  };
}

test("an id tells when it was made", () => {
  expect(new Date(madeAt(ID) ?? 0).toISOString()).toBe("2026-11-22T17:07:38.452Z");
  expect(madeAt("no id")).toBeUndefined();
  expect(madeAt("01a2043a-4954-4970-94cb-5afb7a407bab")).toBeUndefined();
});

test("objects lead to their screens, by ids only", () => {
  expect(placeOf(record("task"))).toBe(`/tasks/${ID}`);
  expect(placeOf(record("command", { task: ID }))).toBe(`/tasks/${ID}`);
  expect(placeOf(record("command", { task: "../../evil" }))).toBeUndefined();
  expect(placeOf(record("something new"))).toBeUndefined();
});

test("a span stands around its moment", () => {
  expect(around(0, 1000)).toEqual({ since: "1969-12-31T23:59:59.000Z", until: "1970-01-01T00:00:01.000Z" });
});
