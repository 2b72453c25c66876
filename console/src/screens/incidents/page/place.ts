/// What of a chain is chosen, as the address says it: `p:chain/pid:start` a process, `e:chain/number` an activity event.

import type { Activity } from "../types";
import { rank } from "../words";

export type Place =
  { kind: "process"; chain: string; pid: number; start: number } | { kind: "event"; chain: string; activity: number };

// The numbers of events count microseconds: sixteen digits, and still exact.
const SHAPE = /^([pe]):([0-9a-f-]{1,36})\/(\d{1,16})(?::(\d{1,16}))?$/;

export function parsePlace(text: string | undefined): Place | undefined {
  const found = SHAPE.exec(text ?? "");
  if (found === null) return undefined;
  const [, kind, chain = "", first = "", second] = found;
  if (kind === "e") return second === undefined ? { kind: "event", chain, activity: Number(first) } : undefined;
  return second === undefined ? undefined : { kind: "process", chain, pid: Number(first), start: Number(second) };
}

export function processPlace(process: { chain: string; pid: number; start: number }): string {
  return `p:${process.chain}/${String(process.pid)}:${String(process.start)}`;
}

export function eventPlace(event: { chain: string; id: number }): string {
  return `e:${event.chain}/${String(event.id)}`;
}

/** The key event that one should look at first: the worst, and of those the first. */
export function foremost(events: readonly Activity[]): Activity | undefined {
  const worst = (event: Activity): number => Math.min(99, ...event.detections.map(({ severity }) => rank(severity)));
  return events.reduce<Activity | undefined>(
    (best, event) => (best === undefined || worst(event) < worst(best) ? event : best),
    undefined,
  );
}
