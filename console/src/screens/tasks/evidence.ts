/// The proof of an outcome, read out of what the server stored: a verdict, probes, sentences.

import { isRecord } from "./schema";

/** One observation: what was looked at, how, before and after. */
export type Probe = {
  subject: string;
  method: string;
  before: string | undefined;
  after: string;
  isHeld: boolean;
  isProof: boolean;
};

export type Evidence = {
  /** `verified`, `unverified`; absent where nothing was judged. */
  verdict: string | undefined;
  /** Why not, where it is not verified. */
  why: string | undefined;
  probes: Probe[];
  /** What else was seen, in the server's words. */
  sentences: string[];
};

function readProbe(value: unknown): Probe | undefined {
  if (!isRecord(value)) return undefined;
  const { subject, method, before, after, held, proves } = value;
  if (typeof subject !== "string" || typeof after !== "string" || typeof held !== "boolean") return undefined;
  return {
    subject,
    method: typeof method === "string" ? method : "",
    before: typeof before === "string" ? before : undefined,
    after,
    isHeld: held,
    isProof: proves === true,
  };
}

/** Whether a list of an outcome is one of probes, whatever its name. */
export function isProbes(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length > 0 && value.every((each) => readProbe(each) !== undefined);
}

export function readEvidence(evidence: unknown, outcome: unknown): Evidence {
  const probes = Object.values(isRecord(outcome) ? outcome : {})
    .filter(isProbes)
    .flat()
    .map(readProbe)
    .filter((probe) => probe !== undefined);
  const judged = isRecord(evidence) ? evidence : {};
  const told = judged["evidence"];
  const sentences = (Array.isArray(told) ? told : []).filter((each) => typeof each === "string");
  // The server says each probe as a sentence too.
  const isProbe = (sentence: string): boolean =>
    probes.some((probe) => sentence.startsWith(`${probe.subject} (${probe.method})`));
  return {
    verdict: typeof judged["verdict"] === "string" ? judged["verdict"] : undefined,
    why: typeof judged["reason"] === "string" ? judged["reason"] : undefined,
    probes,
    sentences: sentences.filter((sentence) => !isProbe(sentence)),
  };
}
