/// A moment: how long ago, in the viewer's zone; the exact value on hover.

import { useSyncExternalStore } from "react";

let now = Date.now();
const watchers = new Set<() => void>();
let clock: number | undefined;

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  clock ??= window.setInterval(() => {
    now = Date.now();
    for (const each of watchers) each();
  }, 5000);
  return () => {
    watchers.delete(watcher);
    if (watchers.size > 0) return;
    window.clearInterval(clock);
    clock = undefined;
  };
}

/** Now, as of the last five seconds. One clock for every time on the screen. */
export function useNow(): number {
  return useSyncExternalStore(watch, () => now);
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const sameYear = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});
const otherYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const zone = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });

/** `now`, `12 min. ago`, `in 2 hr.`; a date from a day on. */
export function ago(at: number, from: number): string {
  const seconds = Math.round((at - from) / 1000);
  const size = Math.abs(seconds);
  if (size < 10) return "now";
  if (size < 60) return relative.format(seconds, "second");
  if (size < 3600) return relative.format(Math.round(seconds / 60), "minute");
  if (size < 86_400) return relative.format(Math.round(seconds / 3600), "hour");
  const date = new Date(at);
  return (date.getFullYear() === new Date(from).getFullYear() ? sameYear : otherYear).format(date);
}

/** Both forms of the exact moment: the viewer's zone, and UTC. */
export function exact(at: number): string {
  const date = new Date(at);
  return `${zone.format(date)} · ${date.toISOString()}`;
}

/** `12.3 s`, `4 min 5 s`: between two moments. */
export function duration(milliseconds: number): string {
  const size = Math.max(0, milliseconds);
  if (size < 1000) return `${String(Math.round(size))} ms`;
  if (size < 60_000) return `${(size / 1000).toFixed(1)} s`;
  const seconds = Math.round(size / 1000);
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return hours > 0 ? `${String(days)} d ${String(hours)} h` : `${String(days)} d`;
  if (hours > 0) return minutes > 0 ? `${String(hours)} h ${String(minutes)} min` : `${String(hours)} h`;
  return seconds % 60 > 0 ? `${String(minutes)} min ${String(seconds % 60)} s` : `${String(minutes)} min`;
}

/** The moment `at` (RFC 3339). Nothing where there is none. */
export function Time({ at, empty = "–" }: { at: string | null | undefined; empty?: string }) {
  const from = useNow();
  if (at === null || at === undefined) return empty;
  const moment = Date.parse(at);
  if (Number.isNaN(moment)) return empty;
  return (
    <time dateTime={at} data-hint-time={at}>
      {ago(moment, from)}
    </time>
  );
}
