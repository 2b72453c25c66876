/// Keys in the tree: to the parent, the first child, the siblings, the next key event.

import type { Box } from "./layout";

export type Way = "parent" | "child" | "next" | "previous" | "first" | "last" | "nextKey" | "previousKey";

const KEYS: Readonly<Record<string, Way>> = {
  ArrowLeft: "parent",
  h: "parent",
  ArrowRight: "child",
  l: "child",
  ArrowDown: "next",
  j: "next",
  ArrowUp: "previous",
  k: "previous",
  Home: "first",
  End: "last",
  n: "nextKey",
  p: "previousKey",
};

export function wayOf(key: string): Way | undefined {
  return Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
}

/** The parent of a box; of what is folded, the process that it stands below. */
function parentId(box: Box): string | undefined {
  return box.kind === "more" ? box.node.key : box.node.parent?.key;
}

/** The box that `way` leads to from the one with this id; `undefined` where it leads nowhere. */
export function walk(boxes: readonly Box[], from: string | undefined, way: Way): Box | undefined {
  const at = boxes.findIndex((box) => box.id === from);
  const current = boxes[at];
  if (current === undefined || way === "first") return boxes[0];
  switch (way) {
    case "last":
      return boxes.at(-1);
    case "parent":
      return boxes.find((box) => box.id === parentId(current));
    case "child":
      return boxes.find((box) => parentId(box) === current.id && box.id !== current.id);
    // Among siblings; past the last of them to whoever stands below at the same depth, or near it.
    case "next":
      return (
        boxes.slice(at + 1).find((box) => box.depth === current.depth) ??
        boxes.slice(at + 1).find((box) => box.y > current.y)
      );
    case "previous":
      return (
        boxes.slice(0, at).findLast((box) => box.depth === current.depth) ??
        boxes.slice(0, at).findLast((box) => box.y < current.y)
      );
    case "nextKey":
      return boxes.slice(at + 1).find(isKey) ?? boxes.find(isKey);
    case "previousKey":
      return boxes.slice(0, at).findLast(isKey) ?? boxes.findLast(isKey);
  }
}

function isKey(box: Box): boolean {
  return box.kind === "process" && box.node.process.is_key;
}
