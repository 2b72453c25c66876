/// Where the processes of a chain stand: depth goes to the right, and each that ends a line takes a row of its own. The first
/// child stands beside its parent, so that opening and closing below moves nothing above.

import type { Node } from "./tree";

/** Pixels. */
export const BOX = { width: 204, height: 52 } as const;
export const STEP = { x: BOX.width + 42, y: BOX.height + 12 } as const;
/** Between the trees of two roots. */
const APART = 20;

/** A process, or the children of one that are not drawn one by one. */
export type Box = {
  id: string;
  kind: "process" | "more";
  /** The process; of what is folded, its parent. */
  node: Node;
  x: number;
  y: number;
  depth: number;
  /** Its place among those drawn below the same parent, from 1, and how many these are. */
  place: number;
  of: number;
  /** It has children, and they are drawn. */
  isOpen: boolean;
  /** How many are folded here. */
  hidden: number;
};

export type Edge = { id: string; from: Box; to: Box; leads: boolean };

export type Layout = {
  /** In the order of the tree. */
  boxes: Box[];
  edges: Edge[];
  width: number;
  height: number;
};

/** How the tree is looked at: what is open, and how many children of each are drawn beside those that lead to a key event. */
export type Look = { isOpen: (node: Node) => boolean; shown: (node: Node) => number };

/** The children that are drawn, in their order, and how many are not. */
export function drawn(node: Node, most: number): { shown: Node[]; hidden: number } {
  let left = most;
  const shown = node.children.filter((child) => child.leads || left-- > 0);
  return { shown, hidden: node.children.length - shown.length };
}

/** Never recursive: a chain may be as deep as it is long. */
export function layout(roots: readonly Node[], look: Look): Layout {
  const boxes: Box[] = [];
  const edges: Edge[] = [];
  let row = 0;
  let gaps = 0;
  let deepest = 0;
  type Waiting = { node: Node; parent: Box | undefined; place: number; of: number; isFirst: boolean; hidden: number };
  const waiting: Waiting[] = roots
    .map((node, index) => ({ node, parent: undefined, place: index + 1, of: roots.length, isFirst: false, hidden: 0 }))
    .reverse();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, parent, place, of, isFirst, hidden } = next;
    // What goes on beside its parent takes no row of its own.
    if (boxes.length > 0 && !isFirst) {
      row += 1;
      if (parent === undefined) gaps += 1;
    }
    const depth = parent === undefined ? 0 : parent.depth + 1;
    deepest = Math.max(deepest, depth);
    const isMore = hidden > 0;
    const isOpen = !isMore && node.children.length > 0 && look.isOpen(node);
    const box: Box = {
      id: isMore ? `${node.key}+` : node.key,
      kind: isMore ? "more" : "process",
      node,
      x: depth * STEP.x,
      y: row * STEP.y + gaps * APART,
      depth,
      place,
      of,
      isOpen,
      hidden,
    };
    boxes.push(box);
    if (parent !== undefined) edges.push({ id: box.id, from: parent, to: box, leads: !isMore && node.leads });
    if (!isOpen) continue;
    const below = drawn(node, look.shown(node));
    const size = below.shown.length + (below.hidden > 0 ? 1 : 0);
    const children: Waiting[] = below.shown.map((child, index) => ({
      node: child,
      parent: box,
      place: index + 1,
      of: size,
      isFirst: index === 0,
      hidden: 0,
    }));
    if (below.hidden > 0)
      children.push({ node, parent: box, place: size, of: size, isFirst: size === 1, hidden: below.hidden });
    waiting.push(...children.reverse());
  }
  return {
    boxes,
    edges,
    width: boxes.length === 0 ? 0 : deepest * STEP.x + BOX.width,
    height: boxes.length === 0 ? 0 : row * STEP.y + gaps * APART + BOX.height,
  };
}

/** The line from a box to one below it. */
export function path({ from, to }: Edge): string {
  const [x, y] = [from.x + BOX.width, from.y + BOX.height / 2];
  const [toX, toY] = [to.x, to.y + BOX.height / 2];
  if (y === toY) return `M${String(x)} ${String(y)}H${String(toX)}`;
  const middle = x + 18;
  return `M${String(x)} ${String(y)}H${String(middle - 6)}Q${String(middle)} ${String(y)} ${String(middle)} ${String(y + 6)}V${String(toY - 6)}Q${String(middle)} ${String(toY)} ${String(middle + 6)} ${String(toY)}H${String(toX)}`;
}
