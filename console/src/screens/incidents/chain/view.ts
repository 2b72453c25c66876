/// What part of the tree is seen, and how large.

import { BOX, type Box } from "./layout";

/** The tree is moved by `x`, `y` and drawn `scale` times its size. */
export type View = { x: number; y: number; scale: number };
export type Size = { width: number; height: number };

const LEAST = 0.15;
const MOST = 2;
/** Pixels that stay free around the tree. */
const EDGE = 16;
/** What opens and folds stands beside a box. */
const KNOB = 40;
/** Smaller than this nothing can be read. */
const READABLE = 0.86;

function within(scale: number): number {
  return Math.min(MOST, Math.max(LEAST, scale));
}

/** Zooms by `factor`; the point of the frame stays where it is. */
export function zoomed(view: View, factor: number, at: { x: number; y: number }): View {
  const scale = within(view.scale * factor);
  const by = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * by, y: at.y - (at.y - view.y) * by };
}

/** All of the tree. */
export function fitted(tree: Size, frame: Size): View {
  if (tree.width === 0 || tree.height === 0 || frame.width === 0) return { x: EDGE, y: EDGE, scale: 1 };
  const scale = within(Math.min(1, (frame.width - 2 * EDGE) / tree.width, (frame.height - 2 * EDGE) / tree.height));
  return { x: EDGE, y: EDGE, scale };
}

/** At first: all of it where it can be read so, else from its beginning, as far as this box needs to be seen. */
export function opening(tree: Size, frame: Size, box: Box | undefined): View {
  const all = fitted(tree, frame);
  if (all.scale >= READABLE) return all;
  const view = { x: EDGE, y: EDGE, scale: Math.max(READABLE, Math.min(1, all.scale)) };
  return box === undefined ? view : shown(view, frame, box);
}

/** Moved as little as needed for the box to be seen. */
export function shown(view: View, frame: Size, box: Box): View {
  const { scale } = view;
  const [left, top] = [box.x * scale + view.x, box.y * scale + view.y];
  const [width, height] = [BOX.width * scale, BOX.height * scale];
  const x = left < EDGE ? EDGE - left : Math.min(0, frame.width - EDGE - KNOB - (left + width));
  const y = top < EDGE ? EDGE - top : Math.min(0, frame.height - EDGE - (top + height));
  return x === 0 && y === 0 ? view : { scale, x: view.x + x, y: view.y + y };
}

/** What of the tree is seen, in its own pixels, with a margin that is drawn beyond. */
export function seen(
  view: View,
  frame: Size,
  margin = 300,
): { left: number; top: number; right: number; bottom: number } {
  return {
    left: (-view.x - margin) / view.scale,
    top: (-view.y - margin) / view.scale,
    right: (frame.width - view.x + margin) / view.scale,
    bottom: (frame.height - view.y + margin) / view.scale,
  };
}
