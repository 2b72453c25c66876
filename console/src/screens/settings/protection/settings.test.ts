/// What is told of a change is what changes.

import { describe as group, expect, it } from "vitest";

import { changes, enabled, exclusionWords, whole, whyNoExclusion, withSet, type Settings } from "./settings";

const SETTINGS: Settings = whole({
  record: true,
  ring_bytes: 64 << 20,
  ring_age_seconds: 604_800,
  modes: { block_list: "detect", behaviour: "detect", yara: "detect" },
  prevent_from: "high",
  behaviour: { built_in: true, rules: ["ours@1"] },
  yara: {},
  exclusions: [{ path: "/opt/backup/", rule: null, note: "reads everything" }],
});
const titles = (id: string): string => ({ a: "First", b: "Second" })[id] ?? id;

group("protection in words", () => {
  it("is the same for the same", () => {
    expect(SETTINGS.exclusions).toEqual([{ path: "/opt/backup/", note: "reads everything" }]);
    expect(changes(SETTINGS, structuredClone(SETTINGS), titles)).toEqual([]);
  });

  it("names only what changes", () => {
    const after = enabled(
      { ...SETTINGS, modes: { ...SETTINGS.modes, yara: "prevent" }, ring_age_seconds: 3600, exclusions: [] },
      ["a"],
      false,
    );
    expect(changes(SETTINGS, after, titles)).toEqual([
      { sign: "-", text: "Activity is forgotten after 7 days" },
      { sign: "-", text: "YARA rules: detected" },
      { sign: "-", text: "Not looked at: everything below /opt/backup/ (reads everything)" },
      { sign: "+", text: "Activity is forgotten after 1 hour" },
      { sign: "+", text: "YARA rules: prevented" },
      { sign: "+", text: "Disabled: First" },
    ]);
    expect(enabled(after, ["a"], true).behaviour.disabled).toEqual([]);
  });

  it("has a set once, whatever its version", () => {
    const newer = withSet(SETTINGS, "behaviour", "ours@2");
    expect(newer.behaviour.rules).toEqual(["ours@2"]);
    expect(withSet(newer, "behaviour", "theirs").behaviour).toEqual({
      built_in: true,
      rules: ["ours@2", "theirs"],
      disabled: [],
    });
    expect(withSet(SETTINGS, "yara", "shells").yara.rules).toEqual(["shells"]);
  });
});

group("an exclusion", () => {
  it("says everything that must hold", () => {
    expect(exclusionWords({ path: "/a", uid: 33, rule: "b", note: "" }, titles)).toEqual([
      "/a",
      "processes of the user 33",
      "by the rule “Second” alone",
    ]);
  });

  it("never names everything", () => {
    expect(whyNoExclusion({})).toContain("Name a path");
    expect(whyNoExclusion({ uid: 0 })).toContain("Name a path");
    expect(whyNoExclusion({ path: "/" })).toContain("begins with");
    expect(whyNoExclusion({ path: "opt" })).toContain("begins with");
    expect(whyNoExclusion({ sha256: "ab" })).toContain("64");
    expect(whyNoExclusion({ path: "/opt/", uid: 0 })).toBeUndefined();
    expect(whyNoExclusion({ rule: "a" })).toBeUndefined();
  });
});
