/// A key leads to one screen. Read as text: the screens themselves want a browser.

import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

const folder = new URL("../screens/", import.meta.url);

it("has no key twice", () => {
  const texts = readdirSync(folder).map((name) => readFileSync(new URL(`${name}/index.ts`, folder), "utf8"));
  const keys = texts.flatMap((text) => [...text.matchAll(/nav: \{[^}]*key: "(.)"/g)].map((found) => found[1]));
  expect(keys.length).toBeGreaterThan(5);
  expect(keys).toEqual([...new Set(keys)]);
});
