/// Tests of the tree, its places, its keys and what is seen of it.

import { describe, expect, test } from "vitest";

import type { Process } from "../types";
import { drawn, layout, path, STEP, type Look } from "./layout";
import { isOpenAtFirst, keyOf, lineage, matches, treeOf } from "./tree";
import { fitted, opening, seen, shown, zoomed } from "./view";
import { walk } from "./walk";

function process(pid: number, depth: number, more: Partial<Process> = {}): Process {
  return {
    chain: "c",
    pid,
    start: pid * 10,
    depth,
    place: depth === 0 ? "root" : "child",
    is_key: false,
    from_before: false,
    incomplete: false,
    activity_counts: {},
    techniques: [],
    image: {
      path: `/bin/p${String(pid)}`,
      arguments: [`p${String(pid)}`],
      arguments_cut: false,
      command_line: `p${String(pid)} --go`,
      nameless: false,
      in_memory: false,
    },
    ...more,
  };
}

/** sshd → bash → (curl, dropper → (sh, nc)), and another root. */
const SMALL = [
  process(1, 0),
  process(2, 1),
  process(3, 2),
  process(4, 2, { is_key: true, severity: "high" }),
  process(5, 3),
  process(6, 3, { is_key: true, severity: "critical", user: "www-data" }),
  process(7, 0, { place: "parent_unknown" }),
];

const ALL: Look = { isOpen: () => true, shown: () => Infinity };

describe("the tree", () => {
  test("is built from depths, and knows what leads to key events", () => {
    const { roots, byKey, size } = treeOf(SMALL);
    expect(size).toBe(7);
    expect(roots.map((node) => node.process.pid)).toEqual([1, 7]);
    const root = roots[0];
    expect([root?.below, root?.leads, root?.worstBelow]).toEqual([5, true, "critical"]);
    expect(byKey.get("c/3:30")?.leads).toBe(false);
    const nc = byKey.get("c/6:60");
    expect(nc && lineage(nc).map((node) => node.process.pid)).toEqual([1, 2, 4]);
  });

  test("takes a depth that cannot be for a root, and a repeated process once", () => {
    const { roots, size } = treeOf([process(1, 0), process(2, 5), process(1, 0), process(3, 1)]);
    expect(size).toBe(3);
    expect(roots.map((node) => node.process.pid)).toEqual([1, 2]);
    expect(roots[1]?.children.map((node) => node.process.pid)).toEqual([3]);
  });

  test("two chains are two trees, with the same process numbers", () => {
    const { roots } = treeOf([
      process(1, 0),
      process(2, 1),
      process(1, 0, { chain: "d" }),
      process(2, 1, { chain: "d" }),
    ]);
    expect(roots.map((node) => node.children.length)).toEqual([1, 1]);
  });

  test("is as deep as it is long without ending the page", () => {
    const deep = Array.from({ length: 5000 }, (_, index) => process(index + 1, index));
    const { roots, size } = treeOf(deep);
    expect([roots.length, size, roots[0]?.below]).toEqual([1, 5000, 4999]);
    expect(layout(roots, ALL).boxes).toHaveLength(5000);
  });

  test("finds by every word", () => {
    const tree = treeOf(SMALL);
    expect(matches(tree, "www-data p6").map((node) => node.process.pid)).toEqual([6]);
    expect(matches(tree, "--go")).toHaveLength(7);
    expect(matches(tree, "  ")).toEqual([]);
  });
});

describe("the layout", () => {
  test("sets the first child beside its parent and the others below, none over another", () => {
    const { boxes, edges, height } = layout(treeOf(SMALL).roots, ALL);
    const at = (pid: number) => boxes.find((box) => box.node.process.pid === pid);
    expect(at(2)?.y).toBe(at(1)?.y);
    expect(at(3)?.y).toBe(at(2)?.y);
    expect(at(4)?.y).toBe(STEP.y);
    expect(at(6)?.x).toBe(3 * STEP.x);
    const places = boxes.map((box) => `${String(box.x)} ${String(box.y)}`);
    expect(new Set(places).size).toBe(boxes.length);
    expect(edges).toHaveLength(5);
    expect(height).toBeGreaterThan(at(7)?.y ?? Infinity);
    expect(edges.filter((edge) => edge.leads).map((edge) => edge.to.node.process.pid)).toEqual([2, 4, 6]);
  });

  test("draws what leads to a key event always, of the others so many, and says how many are folded", () => {
    const many = [process(1, 0), ...Array.from({ length: 2000 }, (_, index) => process(index + 2, 1))];
    const key = many[1500];
    if (key !== undefined) key.is_key = true;
    const { roots, size } = treeOf(many);
    const look: Look = { isOpen: (node) => isOpenAtFirst(node, size), shown: () => 8 };
    const { boxes } = layout(roots, look);
    expect(boxes).toHaveLength(1 + 8 + 1 + 1);
    expect(boxes.at(-1)).toMatchObject({ kind: "more", hidden: 1991 });
    expect(boxes.some((box) => box.node === treeOf(many).byKey.get("c/1501:15010") || box.node.process.is_key)).toBe(
      true,
    );
    const [root] = roots;
    expect(root && drawn(root, 0)).toMatchObject({ hidden: 1999 });
  });

  test("keeps closed what has no key event, in a large tree", () => {
    const large = [
      process(1, 0),
      process(2, 1, { is_key: true }),
      process(3, 1),
      ...Array.from({ length: 100 }, (_, index) => process(index + 10, 2)),
    ];
    const { roots, size } = treeOf(large);
    const { boxes } = layout(roots, { isOpen: (node) => isOpenAtFirst(node, size), shown: () => 8 });
    expect(boxes.map((box) => box.node.process.pid)).toEqual([1, 2, 3]);
  });

  test("draws a line between a box and one below", () => {
    const { edges } = layout(treeOf(SMALL).roots, ALL);
    expect(edges.map(path).every((line) => /^M[\d. ]+H/.test(line))).toBe(true);
  });
});

describe("keys", () => {
  const { boxes } = layout(treeOf(SMALL).roots, ALL);
  const go = (from: number, way: Parameters<typeof walk>[2]): number | undefined =>
    walk(boxes, keyOf(process(from, 0)), way)?.node.process.pid;

  test("walk to parent, children and siblings", () => {
    expect(go(4, "parent")).toBe(2);
    expect(go(4, "child")).toBe(5);
    expect(go(3, "next")).toBe(4);
    expect(go(4, "previous")).toBe(3);
    expect(go(1, "parent")).toBeUndefined();
    expect(go(3, "child")).toBeUndefined();
    expect(go(1, "next")).toBe(7);
    expect(go(6, "next")).toBe(7);
  });

  test("go round the key events", () => {
    expect([go(1, "nextKey"), go(4, "nextKey"), go(6, "nextKey"), go(4, "previousKey")]).toEqual([4, 6, 4, 6]);
  });

  test("begin at the top", () => {
    expect(walk(boxes, undefined, "next")?.node.process.pid).toBe(1);
    expect(walk([], undefined, "next")).toBeUndefined();
  });
});

describe("the view", () => {
  const frame = { width: 800, height: 400 };
  test("zooms about a point", () => {
    const view = zoomed({ x: 0, y: 0, scale: 1 }, 2, { x: 100, y: 50 });
    expect(view).toEqual({ scale: 2, x: -100, y: -50 });
    expect(zoomed(view, 100, { x: 0, y: 0 }).scale).toBe(2);
  });

  test("fits what is large, and never enlarges what is small", () => {
    expect(fitted({ width: 200, height: 100 }, frame).scale).toBe(1);
    expect(fitted({ width: 1536, height: 100 }, frame).scale).toBe(0.5);
  });

  test("begins at a box where all could not be read", () => {
    const tree = { width: 5000, height: 90_000 };
    const { boxes } = layout(treeOf(SMALL).roots, ALL);
    const box = boxes[5];
    const view = opening(tree, frame, box);
    expect(view.scale).toBeGreaterThan(0.5);
    expect(box && shown(view, frame, box)).toEqual(view);
    const edges = seen(view, frame, 0);
    expect(box && box.x >= edges.left && box.x <= edges.right).toBe(true);
  });
});
