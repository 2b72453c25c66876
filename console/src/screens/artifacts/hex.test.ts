import { expect, test } from "vitest";

import { hexLines } from "./hex";

test("bytes stand sixteen to a line, with what can be read of them", () => {
  const lines = hexLines("7f454c46" + "00".repeat(13) + "3c", 32).split("\n");
  expect(lines[0]).toBe("00000020  7f 45 4c 46 00 00 00 00 00 00 00 00 00 00 00 00  .ELF............");
  expect(lines[1]).toBe(`00000030  ${"00 3c".padEnd(47)}  .<`);
  expect(hexLines("", 0)).toBe("");
});
