import { expect, test } from "vitest";

import { ownPath } from "./goal";

test("a path of the console is kept", () => {
  for (const own of ["/", "/tasks?state=open", "/tasks/1#x", "/a//b", "/endpoints?text=a%20b"]) {
    expect(ownPath(own)).toBe(own);
  }
});

test("nothing leads elsewhere", () => {
  const foreign = [
    undefined,
    "",
    "tasks",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example",
    "javascript:alert(1)",
    "/\t/evil.example",
    "/\n/evil.example",
    "/é",
    "/;url=x",
    `/${"a".repeat(600)}`,
  ];
  for (const text of foreign) expect(ownPath(text)).toBe("/");
});

test("nobody goes round in circles", () => {
  expect(ownPath("/sign-in?return=/sign-in")).toBe("/");
  expect(ownPath("/welcome#qt_x")).toBe("/");
  expect(ownPath("/setup")).toBe("/");
});
