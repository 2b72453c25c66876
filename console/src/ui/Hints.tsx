/// What stands on hover, for things of which there are thousands: they carry `data-hint` (a text) or `data-hint-time` (a
/// moment), and one tooltip for the whole page reads it.

import { Portal } from "@mantine/core";
import { useEffect, useLayoutEffect, useRef, useState } from "react";

import { exact } from "./Time";
import classes from "./Hints.module.css";

type Hint = { text: string; box: DOMRect };

/** Milliseconds of rest until it shows. */
const DELAY = 250;

function read(element: Element): string {
  const at = element.getAttribute("data-hint-time");
  return at === null ? (element.getAttribute("data-hint") ?? "") : exact(Date.parse(at));
}

export function Hints() {
  const [hint, show] = useState<Hint | null>(null);
  const bubble = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let near: Element | null = null;
    let timer: number | undefined;
    const move = (event: Event): void => {
      const target = event.target instanceof Element ? event.target : null;
      const next = target?.closest("[data-hint], [data-hint-time]") ?? null;
      if (next === near) return;
      near = next;
      window.clearTimeout(timer);
      show(null);
      if (next === null) return;
      timer = window.setTimeout(() => {
        if (next.isConnected) show({ text: read(next), box: next.getBoundingClientRect() });
      }, DELAY);
    };
    const end = (event: Event): void => {
      if (event instanceof KeyboardEvent && event.key !== "Escape") return;
      near = null;
      window.clearTimeout(timer);
      show(null);
    };
    const kinds = ["mouseover", "focusin", "touchstart"] as const;
    for (const kind of kinds) document.addEventListener(kind, move, { passive: true });
    document.addEventListener("scroll", end, { capture: true, passive: true });
    document.addEventListener("keydown", end);
    return () => {
      window.clearTimeout(timer);
      for (const kind of kinds) document.removeEventListener(kind, move);
      document.removeEventListener("scroll", end, { capture: true });
      document.removeEventListener("keydown", end);
    };
  }, []);
  useLayoutEffect(() => {
    const element = bubble.current;
    if (element === null || hint === null) return;
    const size = element.getBoundingClientRect();
    const left = hint.box.left + hint.box.width / 2 - size.width / 2;
    const above = hint.box.top - size.height - 6;
    element.style.left = `${String(Math.max(6, Math.min(left, window.innerWidth - size.width - 6)))}px`;
    element.style.top = `${String(above < 6 ? hint.box.bottom + 6 : above)}px`;
  }, [hint]);
  if (hint === null || hint.text === "") return null;
  return (
    <Portal>
      <div ref={bubble} role="tooltip" className={classes.bubble}>
        {hint.text}
      </div>
    </Portal>
  );
}
