/// What is sent, and what has to be typed before.

import { describe, expect, it } from "vitest";

import { answers, bodyOf, challengeOf, deedOf, draftOf, type Action } from "./draft";
import type { Preview, PreviewTarget } from "./preview";

const isolate = {
  id: "endpoint.isolate",
  title: "Isolate Endpoint",
  target: "endpoint",
  effect: "reversible",
  risk: "high",
  undone_by: "endpoint.restore",
} as Action;
const collect = {
  id: "file.collect",
  title: "Collect File",
  target: "endpoint",
  effect: "read_only",
  risk: "medium",
} as Action;

function preview(size: number, name = "web-1", confirm: number | null = null, effect = "reversible"): Preview {
  const target = { id: "01a20439-bb5f-70de-b36f-5ac59f2bacc4", name } as PreviewTarget;
  const wayBack = { effect } as Preview["way_back"];
  return { target_count: size, targets: [target], confirm_count: confirm, way_back: wayBack } as Preview;
}

describe("a request", () => {
  it("is nothing before action and targets are there", () => {
    expect(bodyOf(draftOf({}), undefined, {})).toBeUndefined();
    expect(bodyOf(draftOf({ action: "endpoint.isolate" }), isolate, {})).toBeUndefined();
    expect(bodyOf({ ...draftOf({ action: "a.b" }), by: "tags" }, isolate, {})).toBeUndefined();
  });

  it("says only what was said", () => {
    const draft = draftOf({ action: "endpoint.isolate", endpoints: ["a", "a"], reason: " beacon " });
    expect(bodyOf(draft, isolate, {})).toEqual({
      action: "endpoint.isolate",
      targets: { endpoints: ["a"] },
      params: {},
      reason: "beacon",
    });
    const more = { ...draft, by: "tags" as const, tags: ["hr"], revertAfter: 3600, expiresIn: 60 };
    expect(bodyOf(more, isolate, { x: 1 }, 12)).toEqual({
      action: "endpoint.isolate",
      targets: { tags: ["hr"] },
      params: { x: 1 },
      reason: "beacon",
      revert_after_seconds: 3600,
      expires_in_seconds: 60,
      confirm_count: 12,
    });
  });
});

describe("the way back", () => {
  it("is not asked for where there is none", () => {
    const draft = { ...draftOf({ action: "endpoint.isolate", endpoints: ["a"] }), revertAfter: 3600 };
    expect(bodyOf(draft, isolate, {})).toHaveProperty("revert_after_seconds", 3600);
    expect(bodyOf({ ...draft, action: collect.id }, collect, {})).not.toHaveProperty("revert_after_seconds");
  });
});

describe("what has to be typed", () => {
  it("is the name of one target of a grave deed", () => {
    expect(challengeOf(isolate, preview(1))).toEqual({ what: "name", text: "web-1" });
    expect(challengeOf(collect, preview(1))).toBeUndefined();
    for (const effect of ["irreversible", "piecewise"]) {
      expect(challengeOf(collect, preview(1, "web-1", null, effect))).toEqual({ what: "name", text: "web-1" });
    }
  });

  it("is the number of several, and where the server wants it", () => {
    expect(challengeOf(collect, preview(3))).toEqual({ what: "count", text: "3" });
    expect(challengeOf(collect, preview(1, "web-1", 1))).toEqual({ what: "count", text: "1" });
    expect(challengeOf(isolate, preview(0))).toBeUndefined();
  });

  it("is no name that nobody can type", () => {
    for (const name of ["x".repeat(4096), "a\u202eb", " web", "wéb", "w\u0435b-1", "a\nb", "a  b", ""]) {
      expect(challengeOf(isolate, preview(1, name))).toEqual({ what: "id", text: "9f2bacc4" });
    }
  });

  it("is answered by that, and by nothing else", () => {
    const size = { what: "count", text: "1200" } as const;
    expect(answers(size, "1,200")).toBe(true);
    expect(answers(size, "120")).toBe(false);
    expect(answers({ what: "name", text: "web-1" }, " WEB-1 ")).toBe(true);
    expect(answers({ what: "name", text: "web-1" }, "")).toBe(false);
    expect(answers(undefined, "")).toBe(true);
  });
});

describe("the button", () => {
  it("names the deed and what it hits", () => {
    expect(deedOf(isolate, ["web-1"], 1)).toBe("Isolate web-1");
    expect(deedOf(isolate, ["a", "b"], 12)).toBe("Isolate 12 endpoints");
    expect(deedOf(collect, ["web-1"], 1)).toBe("Collect file on web-1");
    expect(deedOf({ title: "Run Remote Custom Script", target: "endpoint" }, [], 2)).toBe(
      "Run remote custom script on 2 endpoints",
    );
    expect(deedOf({ title: "Get PCAP", target: "endpoint" }, ["x\u202ey"], 1)).toBe("Get PCAP on x⟨202E⟩y");
  });
});
