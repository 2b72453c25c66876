/// What an outcome says lies in the vault.

import { expect, it } from "vitest";

import { movedBy, movedNothing } from "./moved";

it("finds files of the vault whatever their list is called, and nothing else", () => {
  const outcome = {
    engines: [{ name: "rules", found: 1 }],
    quarantined: [{ vault_id: "a", path: "/tmp/x", sha256: "" }, { vault_id: 1, path: "/tmp/y" }, null],
    files: 3,
  };
  expect(movedBy(outcome)).toEqual([{ vault: "a", path: "/tmp/x" }]);
  for (const none of [null, undefined, [], "x", { vault_id: "a", path: "/" }]) expect(movedBy(none)).toEqual([]);
});

it("says that a scan left nothing to take back only where that is known", () => {
  const scan = (params: object, target_count = 1) => ({
    action: "endpoint.scan_malware",
    params: params as Record<string, never>,
    target_count,
  });
  const outcome = (value: object | null) => ({ outcome: value as Record<string, never> | null });
  const none = outcome({ quarantined: [] });
  const one = outcome({ quarantined: [{ vault_id: "a", path: "/tmp/x" }] });
  expect(movedNothing(scan({}), [])).toBe(true);
  expect(movedNothing(scan({ quarantine: false }), [outcome(null)])).toBe(true);
  expect(movedNothing(scan({ quarantine: true }), [none])).toBe(true);
  expect(movedNothing(scan({ quarantine: true }), [one])).toBe(false);
  expect(movedNothing(scan({ quarantine: true }), [outcome(null)])).toBe(false);
  expect(movedNothing(scan({ quarantine: true }, 2), [none])).toBe(false);
  expect(movedNothing(scan({ quarantine: true }))).toBe(false);
  expect(movedNothing({ ...scan({}), action: "another.action" })).toBe(false);
});
