/// A difference leads from one text to the other, by as few lines as can be.

import { describe, expect, it } from "vitest";

import { diff, hunks, linesOf, type Line } from "./diff";

function told(lines: Line[]): string {
  return lines.map(({ kind, text }) => ({ same: " ", gone: "-", new: "+" })[kind] + text).join("\n");
}

describe("a difference", () => {
  it("is told by the fewest lines", () => {
    expect(told(diff([..."ABCABBA"], [..."CBABAC"])).match(/[-+]/g)).toHaveLength(5);
    expect(told(diff(["a", "b", "c"], ["a", "x", "c"]))).toBe(" a\n-b\n+x\n c");
    expect(told(diff([], ["a"]))).toBe("+a");
    expect(told(diff(["a"], []))).toBe("-a");
    expect(diff([], [])).toEqual([]);
    expect(told(diff(["a", "b"], ["a", "b"]))).toBe(" a\n b");
  });

  it("numbers the lines of both", () => {
    expect(diff(["a", "b", "d"], ["a", "c", "d"])).toEqual([
      { kind: "same", text: "a", before: 1, after: 1 },
      { kind: "gone", text: "b", before: 2 },
      { kind: "new", text: "c", after: 2 },
      { kind: "same", text: "d", before: 3, after: 3 },
    ]);
  });

  it("gives both texts back, whatever they are", () => {
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % below;
    for (let round = 0; round < 300; round += 1) {
      const text = (): string[] => Array.from({ length: random(30) }, () => "abcd".charAt(random(4)));
      const [before, after] = [text(), text()];
      const lines = diff(before, after);
      expect(lines.filter(({ kind }) => kind !== "new").map((line) => line.text)).toEqual(before);
      expect(lines.filter(({ kind }) => kind !== "gone").map((line) => line.text)).toEqual(after);
      lines.forEach((line) => {
        if (line.before !== undefined) expect(before[line.before - 1]).toBe(line.text);
        if (line.after !== undefined) expect(after[line.after - 1]).toBe(line.text);
      });
    }
  });

  it("of large texts without a line in common ends soon", () => {
    const many = (name: string): string[] => Array.from({ length: 20_000 }, (_, index) => `${name} ${String(index)}`);
    const began = performance.now();
    expect(diff(many("a"), many("b"))).toHaveLength(40_000);
    expect(performance.now() - began).toBeLessThan(2000);
  });
});

describe("hunks", () => {
  it("keep some lines around a change and count the rest", () => {
    const before = Array.from({ length: 30 }, (_, index) => String(index));
    const after = before.map((line) => (line === "10" ? "ten" : line));
    const parts = hunks(diff(before, after));
    expect(parts.map((part) => (Array.isArray(part) ? part.length : part))).toEqual([7, 8, 16]);
  });

  it("of nothing changed are one count", () => {
    expect(hunks(diff(["a", "b"], ["a", "b"]))).toEqual([2]);
  });
});

describe("lines", () => {
  it("end with their line, not after it", () => {
    expect(linesOf("a\nb\n")).toEqual(["a", "b"]);
    expect(linesOf("a\n\nb")).toEqual(["a", "", "b"]);
    expect(linesOf("")).toEqual([]);
  });
});
