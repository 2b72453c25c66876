import { expect, test } from "vitest";

import { grouped } from "./facts";

test("known facts are sorted and named, unknown ones stay", () => {
  const groups = grouped({
    zone: "dmz",
    memory: 1024 ** 3,
    addresses: ["10.0.0.1"],
    hostname: "web-1",
    isolation: null,
    logged_on: [],
  });
  expect(groups).toEqual([
    [
      "System",
      [
        { name: "Host name", value: "web-1" },
        { name: "Memory", value: "1.0 GiB" },
      ],
    ],
    ["Network", [{ name: "Addresses", value: ["10.0.0.1"] }]],
    ["Other", [{ name: "zone", value: "dmz" }]],
  ]);
});

test("what is no object says nothing", () => {
  for (const facts of [null, undefined, "x", 1, ["x"]]) expect(grouped(facts)).toEqual([]);
  expect(grouped({ __proto__x: 1, constructor: "a" }).flatMap(([, list]) => list)).toHaveLength(2);
});
