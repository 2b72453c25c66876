import { expect, test } from "vitest";

import { printed } from "./printed";

test("a key is shown as the command line prints it", () => {
  expect(printed(`fb${"ff".repeat(31)}`)).toBe(`ed25519:-${"_".repeat(42)}`.replace(/_$/, "8"));
  expect(printed("00".repeat(32))).toBe(`ed25519:${"A".repeat(43)}`);
});

test("what is no key stays as it is", () => {
  for (const text of ["", "0", "<b>", "ABCD"]) expect(printed(text)).toBe(text);
});
