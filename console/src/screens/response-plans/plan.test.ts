/// Tests of what follows from a response plan.

import { describe, expect, test } from "vitest";

import type { Task } from "../tasks/words";
import {
  backOf,
  decidable,
  failureWords,
  isOver,
  whyNotDecide,
  type Step,
  type StepApproval,
  type WholePlan,
} from "./plan";

function step(number: number, more: Partial<Step> = {}, task: Partial<Task> = {}): Step {
  return {
    number,
    why: "",
    on_failure: "continue",
    needs: [],
    task: { id: `t${String(number)}`, state: "succeeded", succeeded_count: 1, ...task } as Task,
    ...more,
  };
}

function plan(steps: Step[], approvals: StepApproval[] = []): WholePlan {
  return {
    id: "p",
    digest: "d",
    state: "running",
    reason: "",
    requester: { kind: "person", id: "x", name: "Ana" },
    created_at: "",
    steps,
    approvals,
  };
}

const you = (can: boolean, hinders?: string) =>
  ({ can_decide: can, ...(hinders === undefined ? {} : { hinders }) }) as NonNullable<StepApproval["you"]>;

describe("a response plan", () => {
  test("says what the failure of each step means", () => {
    const steps = [step(1, { on_failure: "stop" }), step(2), step(3, { needs: [2] }), step(4, { needs: [2] })];
    expect(failureWords(step(1, { on_failure: "stop" }), steps)).toContain("all that follow");
    expect(failureWords(step(2), steps)).toContain("steps 3, 4 are called off");
    expect(failureWords(step(3), steps)).toBe("If it fails, the others go on.");
    expect(failureWords(step(4), steps)).toBe("It is the last.");
  });

  test("is decided about as a whole, or not at all", () => {
    const pending = (can: boolean, why?: string) => ({ task: "t", state: "pending", quorum: 1, you: you(can, why) });
    expect(whyNotDecide(plan([], [pending(true), pending(true)]))).toBeUndefined();
    expect(whyNotDecide(plan([], [pending(true), pending(false, "you asked for it")]))).toBe("you asked for it");
    expect(whyNotDecide(plan([], [{ task: "t", state: "auto", quorum: 0 }]))).toBe("nobody is asked any more");
    expect(decidable(plan([], [pending(true), pending(false)]))).toHaveLength(1);
  });

  test("is over when every step has ended", () => {
    expect(isOver(plan([step(1), step(2)]))).toBe(true);
    expect(isOver(plan([step(1), step(2, {}, { state: "queued" })]))).toBe(false);
  });

  test("says what undoing it takes back, and what it leaves", () => {
    const isolate = { effect: "reversible", undone_by: "endpoint.restore" };
    expect(backOf(step(1), isolate)).toEqual({ by: "endpoint.restore" });
    expect(backOf(step(1), { effect: "irreversible" })).toHaveProperty("left");
    expect(backOf(step(1, {}, { state: "canceled", succeeded_count: 0 }), isolate)).toEqual({
      left: "It changed nothing.",
    });
    expect(backOf(step(1, {}, { state: "failed", succeeded_count: 0 }), isolate)).toEqual({ by: "endpoint.restore" });
    expect(backOf(step(1, {}, { undone_by: "other" }), isolate)).toHaveProperty("left");
  });
});
