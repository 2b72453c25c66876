/// Moving the tree by dragging and by the wheel, zooming with Ctrl and the wheel.

import { useEffect, useRef, type PointerEvent } from "react";

import { zoomed, type View } from "./view";

type Set = (change: (before: View | undefined) => View | undefined) => void;

/** Pixels that a press may move and still be one. */
const STILL = 4;

export function usePan(set: Set) {
  const ref = useRef<SVGSVGElement>(null);
  const drag = useRef<{ id: number; x: number; y: number; isMoving: boolean }>(undefined);

  useEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    // React listens to the wheel without the right to keep the page from scrolling.
    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      const at = { x: event.clientX - box.left, y: event.clientY - box.top };
      const lines = event.deltaMode === 1 ? 24 : 1;
      set((before) => {
        if (before === undefined) return before;
        if (event.ctrlKey || event.metaKey) return zoomed(before, Math.exp(-event.deltaY * lines * 0.004), at);
        const [x, y] = event.shiftKey ? [event.deltaY, event.deltaX] : [event.deltaX, event.deltaY];
        return { ...before, x: before.x - x * lines, y: before.y - y * lines };
      });
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => {
      element.removeEventListener("wheel", wheel);
    };
  }, [set]);

  const handlers = {
    onPointerDown: (event: PointerEvent): void => {
      if (event.button === 0)
        drag.current = { id: event.pointerId, x: event.clientX, y: event.clientY, isMoving: false };
    },
    onPointerMove: (event: PointerEvent<HTMLElement>): void => {
      const held = drag.current;
      if (held?.id !== event.pointerId) return;
      const [x, y] = [event.clientX - held.x, event.clientY - held.y];
      if (!held.isMoving && Math.hypot(x, y) < STILL) return;
      if (!held.isMoving) event.currentTarget.setPointerCapture(event.pointerId);
      drag.current = { ...held, x: event.clientX, y: event.clientY, isMoving: true };
      set((before) => (before === undefined ? before : { ...before, x: before.x + x, y: before.y + y }));
    },
    onPointerUp: (): void => {
      drag.current = undefined;
    },
    onPointerCancel: (): void => {
      drag.current = undefined;
    },
  };
  return { ref, handlers };
}
