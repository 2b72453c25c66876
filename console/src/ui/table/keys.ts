/// Keys and clicks in a table.

import { useRouter } from "@tanstack/react-router";
import { useMemo, type KeyboardEvent, type MouseEvent, type RefObject } from "react";

type Open = { go: (to: string) => void; click: (event: MouseEvent) => void };

/** Follows the links of rows without loading the page again; a new tab stays the browser's. */
export function useOpen(): Open {
  const router = useRouter();
  return useMemo(() => {
    const go = (to: string): void => {
      router.history.push(to);
    };
    return {
      go,
      click: (event) => {
        if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
        const link = (event.target as Element).closest("a[data-open]");
        const to = link?.getAttribute("href");
        if (to === null || to === undefined || event.defaultPrevented) return;
        event.preventDefault();
        go(to);
      },
    };
  }, [router]);
}

/** Arrows, `j` and `k` move; Enter opens; `x` selects. */
export function useKeys(
  scrollTo: (index: number) => void,
  length: number,
  frame: RefObject<HTMLDivElement | null>,
  toggle: ((id: string) => void) | undefined,
  open: Open,
  at: (index: number) => { id: string; to: string | undefined } | undefined,
) {
  const focus = (index: number): void => {
    scrollTo(index);
    requestAnimationFrame(() => {
      frame.current
        ?.querySelector<HTMLElement>(`[data-index="${String(index)}"] a, [data-index="${String(index)}"] input`)
        ?.focus();
    });
  };
  return (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const current = Number(target.closest("[data-index]")?.getAttribute("data-index") ?? -1);
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 15, PageUp: -15 }[event.key];
    if (step !== undefined && length > 0) {
      event.preventDefault();
      focus(Math.min(length - 1, Math.max(0, current + step)));
      return;
    }
    const row = current < 0 ? undefined : at(current);
    if (row === undefined) return;
    if (event.key === "x" && toggle) {
      event.preventDefault();
      toggle(row.id);
    }
    if (event.key === "Enter" && row.to !== undefined && target.tagName !== "A" && target.tagName !== "BUTTON") {
      open.go(row.to);
    }
  };
}
