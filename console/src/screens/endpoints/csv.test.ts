import { expect, test } from "vitest";

import { cell, csv } from "./csv";

test("no cell is a formula", () => {
  for (const text of ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "＝1"]) expect(cell(text).startsWith(`"'`)).toBe(true);
  expect(cell('web-1 "a"')).toBe('"web-1 ""a"""');
  expect(cell(null)).toBe('""');
});

test("rows are lines", () => {
  expect(csv([{ name: "a", tags: ["x", "y"] }], ["name", "tags"])).toBe('"name","tags"\r\n"a","x y"\r\n');
});
