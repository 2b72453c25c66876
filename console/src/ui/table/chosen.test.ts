import { expect, test } from "vitest";

import { chosenOf } from "./chosen";

type Row = { id: string; state: string };
const id = (row: Row): string => row.id;
const [a, b] = [
  { id: "a", state: "queued" },
  { id: "b", state: "running" },
];

test("a row that a search hides stays chosen, as it was seen last", () => {
  const known = chosenOf(new Set(["a", "b"]), [a, b], new Map(), id);
  const ended = { id: "a", state: "succeeded" };
  const chosen = chosenOf(new Set(["a", "b"]), [ended], known, id);
  expect([...chosen.values()]).toEqual([ended, b]);
});

test("a row that is not chosen any more is forgotten", () => {
  const known = chosenOf(new Set(["a", "b"]), [a, b], new Map(), id);
  expect([...chosenOf(new Set(["b"]), [], known, id).keys()]).toEqual(["b"]);
  expect(chosenOf(new Set(), [a, b], known, id).size).toBe(0);
});
