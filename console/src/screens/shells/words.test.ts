/// Words of a verb.

import { expect, it } from "vitest";

import { split } from "./words";

it("splits as a shell does", () => {
  expect(split("get '/a b' \"c\\\"d\" e\\ f ''")).toEqual(["get", "/a b", 'c"d', "e f", ""]);
  expect(split("  ")).toEqual([]);
  expect(split("ls '\\' \\")).toEqual(["ls", "\\", ""]);
});
