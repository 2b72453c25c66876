/// Tests of the table of techniques.

import { expect, test } from "vitest";

import { byTactic, tacticsOf, TACTICS, techniqueName } from "./attack";

test("techniques have names and tactics, parts go by their whole", () => {
  expect(TACTICS).toHaveLength(14);
  expect(techniqueName("T1059.004")).toBe("Command and Scripting Interpreter: Unix Shell");
  expect(techniqueName("T1059.999")).toBe("Command and Scripting Interpreter");
  expect(techniqueName("constructor")).toBeUndefined();
  expect(tacticsOf("T1059.004")).toEqual(["execution"]);
});

test("what was seen stands under every tactic of it, in the order of an intrusion", () => {
  const seen = ["T9999", "T1053.003", "T1059.004"].map((id) => ({ id, events: 1, severity: undefined }));
  const columns = byTactic(seen);
  expect(columns.map(({ tactic }) => tactic.id)).toEqual(["execution", "persistence", "privilege-escalation", "other"]);
  expect(columns[0]?.techniques.map(({ id }) => id)).toEqual(["T1053.003", "T1059.004"]);
});
