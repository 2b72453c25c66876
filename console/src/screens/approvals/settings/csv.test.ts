import { expect, it } from "vitest";

import { idsAsCsv, listAsCsv } from "./csv";

it("writes lists that spreadsheets do not run", () => {
  const text = listAsCsv([{ id: "0193", name: '=cmd|"x"', written: "a,b" }]);
  expect(text).toBe('id,name,written\r\n0193,"\'=cmd|""x""","a,b"\r\n');
});

it("writes ids under a heading, so that an empty list is no list of one", () => {
  expect(idsAsCsv(["a", "b"])).toBe("id\na\nb\n");
  expect(idsAsCsv([])).toBe("id\n");
});
