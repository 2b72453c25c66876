/// Tests of what is chosen of a proposal.

import { describe, expect, test } from "vitest";

import { chosenOf, dependents, orderWords, radiusOf, type CutStep, type Proposal } from "./cut";

function step(number: number, more: Partial<CutStep> = {}): CutStep {
  return {
    number,
    endpoint: { id: "e1", name: "web-1" },
    action: "file.quarantine",
    title: "Move to Quarantine",
    params: {},
    object: "/tmp/x",
    reason: "",
    because: [],
    blast: {},
    risk: "low",
    on_failure: "continue",
    ticked: true,
    after: [],
    warnings: [],
    ...more,
  };
}

const proposal: Proposal = {
  digest: "d",
  steps: [
    step(1, { on_failure: "stop" }),
    step(2, { after: [1] }),
    step(3, { after: [1, 2] }),
    step(4, { ticked: false }),
  ],
  manual: [],
  not_available: [],
  left: [],
};

describe("a proposal", () => {
  test("is chosen as it is proposed, but for what was changed", () => {
    expect(chosenOf(proposal, new Map())).toEqual([1, 2, 3]);
    expect(
      chosenOf(
        proposal,
        new Map([
          [2, false],
          [4, true],
        ]),
      ),
    ).toEqual([1, 3, 4]);
  });

  test("says what comes before a step, and what its failure means", () => {
    const words = (number: number, chosen: number[]) =>
      orderWords(proposal.steps[number - 1] ?? step(9), proposal.steps, chosen).join(" ");
    expect(words(1, [1, 2, 3])).toBe("If it fails, steps 2, 3 are not begun; the others go on.");
    expect(words(3, [1, 3])).toContain("It comes after step 1. Step 2 would come before it and is not ticked");
    expect(words(2, [1, 2])).toBe("It comes after step 1. If it fails, the others go on.");
  });

  test("names those that would come after a step", () => {
    expect(dependents(step(1), proposal.steps, [1, 2, 3])).toEqual([2, 3]);
    expect(dependents(step(1), proposal.steps, [1, 3])).toEqual([3]);
    expect(dependents(step(4), proposal.steps, [1, 2, 3])).toEqual([]);
  });

  test("reads what a step touches, whatever is told", () => {
    const none = { text: "", processes: 0, others: 0, endpoints: undefined, package: undefined, connections: 0 };
    expect(radiusOf({ blast: null })).toEqual(none);
    expect(radiusOf({ blast: { text: 7, processes: "x", endpoints: null } })).toEqual(none);
    expect(radiusOf({ blast: { text: "t", processes: 3, endpoints: 2, package: "curl 8" } })).toEqual({
      ...none,
      text: "t",
      processes: 3,
      endpoints: 2,
      package: "curl 8",
    });
  });
});
