/// Tests of how incidents are put in words.

import { describe, expect, test } from "vitest";

import { base, exitWords, gapsOf, processName, rank, stateWords, stopped, vanishedWords, withoutEvents } from "./words";

describe("words of incidents", () => {
  test("the worst ranks first, what is not known last", () => {
    expect(["low", "critical", "odd", "medium"].sort((one, other) => rank(one) - rank(other))).toEqual([
      "critical",
      "medium",
      "low",
      "odd",
    ]);
  });

  test("a process is called by its program, else by its number", () => {
    expect(processName({ pid: 7, image: { path: "/usr/bin/curl" } })).toBe("curl");
    expect(processName({ pid: 7, image: { path: "/tmp/x/" } })).toBe("x");
    expect(processName({ pid: 7, image: null })).toBe("process 7");
    expect(base("/")).toBe("/");
  });

  test("a state says what it turned out to be", () => {
    expect(stateWords({ state: "in_progress" })).toBe("in progress");
    expect(stateWords({ state: "closed", resolution: "false_positive" })).toBe("closed: false positive");
  });

  test("a reason is told without the numbers that stand beside it as links, and as it begins", () => {
    const told = "/tmp/x was made by curl (event 1795421506750822), and runs (events 7, 9)";
    expect(stopped(withoutEvents(told))).toBe("/tmp/x was made by curl, and runs.");
    expect(stopped("dash (21) was detected.")).toBe("dash (21) was detected.");
  });

  test("an end is a code or a signal", () => {
    expect(exitWords({ code: 0 })).toBe("exit code 0");
    expect(exitWords({ signal: 9 })).toBe("ended by signal 9");
    expect(exitWords(null)).toBeUndefined();
  });

  test("every gap is told, and none where there is none", () => {
    const none = { lost: 0, processes_beyond: 0, activities_beyond: 0, dropped: 0, begins_late: false };
    expect(gapsOf(none)).toEqual([]);
    expect(vanishedWords(0)).toBeUndefined();
    expect(vanishedWords(1200)).toContain("1,200 files");
    expect(gapsOf({ ...none, lost: 1, begins_late: true })).toHaveLength(2);
    expect(gapsOf({ ...none, lost: 1200 })[0]).toContain("1,200 events were lost");
  });
});
