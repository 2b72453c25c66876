/// Tests of what the address says of a chain.

import { describe, expect, test } from "vitest";

import type { Activity } from "../types";
import { eventPlace, foremost, parsePlace, processPlace } from "./place";

const CHAIN = "0198c0de-0000-7000-8000-000000000001";

describe("places in a chain", () => {
  test("are written and read", () => {
    expect(parsePlace(processPlace({ chain: CHAIN, pid: 7, start: 99 }))).toEqual({
      kind: "process",
      chain: CHAIN,
      pid: 7,
      start: 99,
    });
    expect(parsePlace(eventPlace({ chain: CHAIN, id: 12 }))).toEqual({ kind: "event", chain: CHAIN, activity: 12 });
    const late = { chain: CHAIN, id: 1795421506750810 };
    expect(parsePlace(eventPlace(late))).toEqual({ kind: "event", chain: CHAIN, activity: late.id });
  });

  test("of another shape are none", () => {
    for (const text of [undefined, "", "p:x/1", `e:${CHAIN}/1:2`, `p:${CHAIN}/1`, "p:../../1:2", `x:${CHAIN}/1`]) {
      expect(parsePlace(text), text).toBeUndefined();
    }
  });

  test("the worst key event is looked at first, and of those the first", () => {
    const event = (id: number, ...severities: string[]): Activity =>
      ({ id, detections: severities.map((severity) => ({ severity })) }) as unknown as Activity;
    expect(foremost([event(1, "low"), event(2, "high"), event(3, "low", "high"), event(4)])?.id).toBe(2);
    expect(foremost([])).toBeUndefined();
  });
});
