/// Tests of what an agent is asked to look for.

import { expect, test } from "vitest";

import { chainParams } from "./ask";

const AT = "2026-11-23T04:00:00.000000Z";

test("an agent is asked in exactly one way, around the time of the event", () => {
  const asked = chainParams({ at: AT, path: "/etc/x", sha256: "00", title: "A\u202Eb" });
  expect(asked).toEqual({
    path: "/etc/x",
    from_us: Date.UTC(2026, 10, 23, 3) * 1000,
    until_us: Date.UTC(2026, 10, 23, 4, 10) * 1000,
    note: "A b",
  });
  expect(chainParams({ at: AT, path: "/tmp/\uFFFD", path_hex: "2f746d702fff", title: "" })).toMatchObject({
    path_hex: "2f746d702fff",
  });
  expect(chainParams({ at: AT, sha256: "ab", title: "" })).toMatchObject({ sha256: "ab" });
  expect(chainParams({ at: "never", title: "" })).toEqual({});
});
