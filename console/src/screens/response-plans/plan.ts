/// A response plan as the API tells it, and what follows from it; pure, so that it can be tried in a test.

import type { Schemas } from "../../api/client";
import { isEnded } from "../tasks/words";

export type Step = Schemas["PlanStep"];
export type StepApproval = Schemas["StepApproval"];
export type Plan = Schemas["ResponsePlan"];
export type WholePlan = Schemas["ResponsePlanWhole"];

/** What follows where a step does not succeed, in words. */
export function failureWords(step: Step, steps: readonly Step[]): string {
  const later = steps.filter(({ number }) => number > step.number);
  if (later.length === 0) return "It is the last.";
  if (step.on_failure === "stop") return "If it fails, all that follow are called off.";
  const needing = later.filter(({ needs }) => needs.includes(step.number)).map(({ number }) => String(number));
  return needing.length === 0
    ? "If it fails, the others go on."
    : `If it fails, ${needing.length === 1 ? "step" : "steps"} ${needing.join(", ")} ${needing.length === 1 ? "is" : "are"} called off; the others go on.`;
}

/** The requests that this person can decide now. */
export function decidable(plan: WholePlan): StepApproval[] {
  return plan.approvals.filter(({ state, you }) => state === "pending" && you?.can_decide === true);
}

/** Why the person cannot decide about the plan, or `undefined` where they can. */
export function whyNotDecide(plan: WholePlan): string | undefined {
  const pending = plan.approvals.filter(({ state }) => state === "pending");
  if (pending.length === 0) return "nobody is asked any more";
  // One decision is about all of them: where it would not count for one, it is not taken.
  const hindered = pending.find(({ you }) => you?.can_decide !== true);
  if (hindered === undefined) return undefined;
  return hindered.you?.hinders ?? "only a person decides";
}

export function isOver(plan: Plan): boolean {
  return plan.steps.every(({ task }) => isEnded(task.state));
}

type Way = { effect: string; undone_by?: string | null };

/** What undoing the plan would do about a step: what takes it back, or why nothing does. */
export function backOf(step: Step, action: Way | undefined): { by: string } | { left: string } {
  if (action === undefined) return { left: "The catalogue is being read." };
  const { task } = step;
  if (task.undone_by) return { left: "Another task takes it back already." };
  if (task.succeeded_count === 0 && !["failed", "indeterminate"].includes(task.state))
    return { left: "It changed nothing." };
  if (action.effect === "read_only") return { left: "It only read." };
  if (action.effect === "piecewise") return { left: "It is taken back piece by piece: its outcome names each." };
  if (action.effect !== "reversible" || action.undone_by == null)
    return { left: "It cannot be taken back: what was done is done." };
  return { by: action.undone_by };
}
