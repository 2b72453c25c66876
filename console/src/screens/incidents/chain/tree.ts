/// The processes of a chain as trees, out of the list that the API gives: each before its children, with its depth.

import type { Process } from "../types";
import { rank } from "../words";

export type Node = {
  /** Names it within the incident: `chain/pid:start`. */
  key: string;
  process: Process;
  parent: Node | undefined;
  children: Node[];
  /** A key event is its own, or of somebody below. */
  leads: boolean;
  /** Processes below it. */
  below: number;
  /** The worst of what was detected below it. */
  worstBelow: string | undefined;
};

export function keyOf(process: { chain: string; pid: number; start: number }): string {
  return `${process.chain}/${String(process.pid)}:${String(process.start)}`;
}

export type Tree = { roots: Node[]; byKey: ReadonlyMap<string, Node>; size: number };

/** Never recursive: a chain may be as deep as it is long. A depth that cannot be makes a root. */
export function treeOf(processes: readonly Process[]): Tree {
  const roots: Node[] = [];
  const byKey = new Map<string, Node>();
  const order: Node[] = [];
  /** The nodes above, by their depth. */
  let above: Node[] = [];
  let chain = "";
  for (const process of processes) {
    const key = keyOf(process);
    if (byKey.has(key)) continue;
    if (process.chain !== chain) {
      above = [];
      chain = process.chain;
    }
    const parent = process.depth > 0 ? above[process.depth - 1] : undefined;
    const node: Node = {
      key,
      process,
      parent,
      children: [],
      leads: process.is_key,
      below: 0,
      worstBelow: undefined,
    };
    if (parent === undefined) roots.push(node);
    else parent.children.push(node);
    above.length = parent === undefined ? 0 : process.depth;
    above.push(node);
    byKey.set(key, node);
    order.push(node);
  }
  for (const node of order.reverse()) {
    const { parent } = node;
    if (parent === undefined) continue;
    parent.leads ||= node.leads;
    parent.below += node.below + 1;
    for (const severity of [node.process.severity, node.worstBelow]) {
      if (severity != null && rank(severity) < rank(parent.worstBelow)) parent.worstBelow = severity;
    }
  }
  return { roots, byKey, size: byKey.size };
}

/** Up to this many processes everything is open. */
const SMALL = 40;

export function isSmall(size: number): boolean {
  return size <= SMALL;
}

/** What is open at first: all of a small tree, else what leads to a key event, and what a key process started. */
export function isOpenAtFirst(node: Node, size: number): boolean {
  return isSmall(size) || node.leads;
}

/** The nodes above, the topmost first. */
export function lineage(node: Node): Node[] {
  const line: Node[] = [];
  for (let each = node.parent; each !== undefined; each = each.parent) line.unshift(each);
  return line;
}

/** Those whose program, command line, user, hash or number has every word of `text`, in the order of the tree. */
export function matches(tree: Tree, text: string): Node[] {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return [];
  return [...tree.byKey.values()].filter(({ process }) => {
    const { image } = process;
    const held = [
      image?.path ?? "",
      image?.command_line ?? "",
      image?.script?.path ?? "",
      image?.sha256 ?? "",
      process.user ?? "",
      process.container ?? "",
      String(process.pid),
      process.techniques.join(" "),
    ]
      .join(" ")
      .toLowerCase();
    return wanted.every((word) => held.includes(word));
  });
}
