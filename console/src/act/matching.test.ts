import { expect, test } from "vitest";

import { matching } from "./matching";

const actions = [
  { id: "file.allow_run", title: "Allow Run", summary: "Takes back what Prevent Run did." },
  { id: "file.delete", title: "Delete File", summary: "Removes a file." },
  { id: "file.prevent_run", title: "Prevent Run", summary: "Keeps a file from being executed." },
];

const found = (text: string): string[] => matching(actions, text).map(({ id }) => id);

test("an action whose name was typed comes before those that only speak of it", () => {
  expect(found("Prevent Run")).toEqual(["file.prevent_run", "file.allow_run"]);
  expect(found("file.prevent_run")).toEqual(["file.prevent_run"]);
  expect(found("run")).toEqual(["file.allow_run", "file.prevent_run"]);
});

test("every word must be there, and nothing typed finds all in their order", () => {
  expect(found("delete run")).toEqual([]);
  expect(found(" ")).toEqual(actions.map(({ id }) => id));
});
