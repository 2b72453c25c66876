/// Opens the palette; apart from it, so that the palette itself is read only when it is needed.

import { useSyncExternalStore } from "react";

let isOpen = false;
const watchers = new Set<() => void>();

function become(next: boolean): void {
  isOpen = next;
  for (const watcher of watchers) watcher();
}

export function openPalette(): void {
  become(true);
}

export function closePalette(): void {
  become(false);
}

export function togglePalette(): void {
  become(!isOpen);
}

export function isPaletteOpen(): boolean {
  return isOpen;
}

export function usePaletteIsOpen(): boolean {
  return useSyncExternalStore((watcher) => {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  }, isPaletteOpen);
}
