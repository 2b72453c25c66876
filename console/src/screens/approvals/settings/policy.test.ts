import { describe as group, expect, it } from "vitest";

import { longWords } from "../../../ui/text";
import { changes, describe, shadowedBy, shortage, whole, type Policy, type Rule } from "./policy";

const NAMES = { action: (id: string) => id, role: (id: string) => id };

const POLICY: Policy = {
  rules: [
    { actions: ["process.*"], requesters: ["operations"], require: { people: { quorum: 2, roles: ["approver"] } } },
  ],
  managed: { auto_approve: false, actions: ["file.collect"], scope: "all", people: { quorum: 1, roles: [] } },
  protected: { tags: ["protected"], people: { quorum: 1, roles: [] } },
  step_up: [],
  valid_for: [],
};

group("the policy in words", () => {
  it("tells each fact on a line", () => {
    expect(describe(POLICY, NAMES)[0]).toBe("Rule 1: Process.* by outside team: 2 people of approver must agree");
  });

  it("names only what changes", () => {
    const after = { ...POLICY, managed: { ...POLICY.managed, auto_approve: true } };
    expect(changes(POLICY, after, NAMES)).toEqual([
      { sign: "-", text: "Outside team, automatic approval: off" },
      { sign: "+", text: "Outside team, automatic approval: on" },
    ]);
    expect(changes(POLICY, structuredClone(POLICY), NAMES)).toEqual([]);
  });

  it("says how long an approval is good", () => {
    const after = { ...POLICY, valid_for: [{ actions: ["process.*"], seconds: 1800 }] };
    expect(changes(POLICY, after, NAMES)).toEqual([
      { sign: "+", text: "Validity 1: an approval of process.* is good for 30 minutes at most" },
    ]);
    expect([60, 5400, 3600, 172_800, 61].map(longWords)).toEqual([
      "1 minute",
      "90 minutes",
      "1 hour",
      "2 days",
      "61 seconds",
    ]);
    const { valid_for, ...before } = POLICY;
    expect(whole(before)).toEqual({ ...before, valid_for });
  });
});

group("who is there", () => {
  const two = [
    { human: "a", roles: ["approver"] },
    { human: "a", roles: ["approver"] },
    { human: "b", roles: ["administrator"] },
  ];

  it("counts humans, not accounts", () => {
    expect(shortage({ quorum: 2, roles: ["approver"] }, two)).toContain("only 1 person");
    expect(shortage({ quorum: 2, roles: [] }, two)).toContain("Exactly 2");
    expect(shortage({ quorum: 1, roles: [] }, two)).toBeUndefined();
    expect(shortage({ quorum: 1, roles: ["auditor"] }, two)).toContain("nobody");
  });
});

group("the order of rules", () => {
  const rule = (actions: string[], requesters: Rule["requesters"] = []): Rule => ({
    actions,
    requesters,
    require: "nothing",
  });

  it("finds a rule that an earlier one hides", () => {
    expect(shadowedBy([rule(["*"]), rule(["file.collect"])], 1)).toBe(0);
    expect(shadowedBy([rule(["file.*"], ["staff"]), rule(["file.collect"], ["staff"])], 1)).toBe(0);
    expect(shadowedBy([rule(["file.*"], ["staff"]), rule(["file.collect"])], 1)).toBeUndefined();
    expect(shadowedBy([rule(["file.collect"]), rule(["file.*"])], 1)).toBeUndefined();
    expect(shadowedBy([rule(["file.*"]), rule(["*"])], 1)).toBeUndefined();
  });
});
