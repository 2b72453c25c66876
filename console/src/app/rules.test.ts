import { expect, test } from "vitest";

import { FLAG, ID, oneOf, sift, someOf } from "./rules";

const RULES = { state: someOf(["queued", "running"]), isolated: FLAG, os: oneOf(["linux"]), endpoint: ID };

test("what is understood stays, what is not is told by name", () => {
  expect(sift({ state: "queued,running", isolated: "true", os: "linux" }, RULES)).toEqual([
    { state: "queued,running", isolated: "true", os: "linux" },
    [],
  ]);
  expect(sift({ state: "queued,lost", isolated: "yes", text: "db" }, RULES)).toEqual([
    { text: "db" },
    [
      { name: "state", value: "queued,lost" },
      { name: "isolated", value: "yes" },
    ],
  ]);
});

test("an empty word asks for nothing, and names of every object are no rules", () => {
  expect(sift({ state: "", os: undefined, constructor: "x" }, RULES)[1]).toEqual([]);
});

test("an id is one as a whole", () => {
  expect(ID("01a2043a-4954-7970-94cb-5afb7a407bab")).toBe(true);
  expect(ID("01a2043a-4954-7970-94cb-5afb7a407bab0")).toBe(false);
  expect(ID("web-1")).toBe(false);
});
