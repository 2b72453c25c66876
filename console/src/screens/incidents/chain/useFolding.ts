/// What of the tree is open, and how many children of each process are drawn.

import { useMemo, useState } from "react";

import type { Box, Look } from "./layout";
import { isOpenAtFirst, isSmall, lineage, type Node, type Tree } from "./tree";

/** Children without a key event that are drawn at first below one process, and how many more at a time. */
const FEW = 8;
const MORE = 50;

export type Folding = { look: Look; toggle: (box: Box) => void; reveal: (node: Node) => void };

export function useFolding(tree: Tree): Folding {
  const [opened, setOpened] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [more, setMore] = useState<ReadonlyMap<string, number>>(new Map());
  const look = useMemo(
    () => ({
      isOpen: (node: Node) => opened.get(node.key) ?? isOpenAtFirst(node, tree.size),
      shown: (node: Node) => more.get(node.key) ?? (isSmall(tree.size) ? Infinity : FEW),
    }),
    [opened, more, tree.size],
  );
  return {
    look,
    toggle: (box) => {
      const { key } = box.node;
      if (box.kind === "more") setMore((before) => new Map(before).set(key, (before.get(key) ?? FEW) + MORE));
      else setOpened((before) => new Map(before).set(key, !box.isOpen));
    },
    reveal: (node) => {
      const above = lineage(node);
      setOpened((before) => new Map([...before, ...above.map(({ key }): [string, boolean] => [key, true])]));
      // What stands beyond the first few of its siblings is drawn with those before it.
      setMore((before) => {
        const next = new Map(before);
        for (const each of [...above.slice(1), node]) {
          const { parent } = each;
          if (parent === undefined || each.leads) continue;
          const place = parent.children.filter(({ leads }) => !leads).indexOf(each);
          if (place >= look.shown(parent)) next.set(parent.key, place + 1);
        }
        return next;
      });
    },
  };
}
