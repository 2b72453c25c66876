/// What is proposed to cut a chain, and what of it is chosen; pure, so that it can be tried in a test.

import type { Schemas } from "../../../api/client";

export type Because = Schemas["CutBecause"];
export type CutStep = Schemas["CutStep"];
export type Manual = Schemas["CutManual"];
export type Proposal = Schemas["Cut"];

/** What a step touches beside what it is for: the API tells it as any object. */
export type Radius = {
  text: string;
  processes: number;
  others: number;
  endpoints: number | undefined;
  package: string | undefined;
  connections: number;
};

function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Reads it; what is absent is none. */
export function radiusOf(step: { blast: unknown }): Radius {
  const blast = (typeof step.blast === "object" && step.blast !== null ? step.blast : {}) as Record<string, unknown>;
  return {
    text: text(blast["text"]) ?? "",
    processes: number(blast["processes"]) ?? 0,
    others: number(blast["others"]) ?? 0,
    endpoints: number(blast["endpoints"]),
    package: text(blast["package"]),
    connections: number(blast["connections"]) ?? 0,
  };
}

/** The numbers that are ticked: as proposed, but for what somebody changed. */
export function chosenOf(proposal: Proposal, changed: ReadonlyMap<number, boolean>): number[] {
  return proposal.steps.filter((step) => changed.get(step.number) ?? step.ticked).map(({ number }) => number);
}

/** What the place of a step means: what goes before it, and what its failure means for those after it. */
export function orderWords(step: CutStep, steps: readonly CutStep[], chosen: readonly number[]): string[] {
  const before = step.after.filter((number) => chosen.includes(number));
  const unticked = step.after.filter((number) => !chosen.includes(number));
  const after = steps.filter(({ number, after: needs }) => needs.includes(step.number) && chosen.includes(number));
  const list = (numbers: readonly number[]): string =>
    `${numbers.length === 1 ? "step" : "steps"} ${numbers.join(", ")}`;
  const later = list(after.map(({ number }) => number));
  return [
    before.length > 0 ? `It comes after ${list(before)}.` : "",
    unticked.length > 0
      ? `${list(unticked).replace(/^s/, "S")} would come before it and ${unticked.length === 1 ? "is" : "are"} not ticked: it is done all the same.`
      : "",
    after.length > 0 && step.on_failure === "stop"
      ? `If it fails, ${later} ${after.length === 1 ? "is" : "are"} not begun; the others go on.`
      : "If it fails, the others go on.",
  ].filter((text) => text !== "");
}

/** What is lost by leaving a step out, for those that are ticked and would come after it. */
export function dependents(step: CutStep, steps: readonly CutStep[], chosen: readonly number[]): number[] {
  return steps
    .filter(({ number, after }) => after.includes(step.number) && chosen.includes(number))
    .map(({ number }) => number);
}
