/// Live news: what the server says has changed is read again, at most a few times a second.

import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";

/** How the stream is. `behind` after a break until everything is read again. */
export type LiveState = "connecting" | "live" | "lost";

let state: LiveState = "connecting";
const watchers = new Set<() => void>();

function become(next: LiveState): void {
  if (state === next) return;
  state = next;
  for (const watcher of watchers) watcher();
}

/** How the stream is now. */
export function useLiveState(): LiveState {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => state,
  );
}

/** Milliseconds between two readings of the same thing. */
const PAUSE = 400;
/** Milliseconds after which an answer that does not come is waited for no longer. */
const LONGEST = 10_000;

type News = { id?: string; task?: string; command?: string; endpoint?: string; approval?: string; artifact?: string };

/** How an endpoint stands, as the news of it say. */
export type Standing = { connected?: boolean; state?: string; isolated?: boolean; alarm?: string | null };

/** The paths whose answers an event makes old. */
function touched(kind: string, news: News): string[] {
  switch (kind) {
    case "task":
      return ["/api/v1/tasks", "/api/v1/overview", "/api/v1/approvals"];
    case "command":
      return ["/api/v1/tasks", "/api/v1/commands", "/api/v1/overview"];
    case "progress":
      return ["/api/v1/commands", ...(news.task === undefined ? [] : ["/api/v1/tasks"])];
    case "endpoint":
      return ["/api/v1/endpoints", "/api/v1/overview"];
    case "approval":
      return ["/api/v1/approvals", "/api/v1/tasks", "/api/v1/overview"];
    case "break_glass":
      return ["/api/v1/break-glass"];
    case "artifact":
      return ["/api/v1/artifacts", "/api/v1/tasks"];
    default:
      return [];
  }
}

/** What happened since the last news: which paths' answers are old, about which objects; `all` where some were lost. */
export type Heard = {
  paths: ReadonlySet<string>;
  ids: ReadonlySet<string>;
  endpoints: ReadonlyMap<string, Standing>;
  all: boolean;
};

const hearers = new Set<(heard: Heard) => void>();

/**
 * Hears the news as they come, for a list that mends itself instead of being read again: its queries carry `OWN_NEWS` as
 * `meta`. Returns how to stop.
 */
export function hear(hearer: (heard: Heard) => void): () => void {
  hearers.add(hearer);
  return () => {
    hearers.delete(hearer);
  };
}

export const OWN_NEWS = { hasOwnNews: true };

const KINDS = ["task", "command", "progress", "endpoint", "approval", "break_glass", "artifact"];

/** Listens until the returned function is called. */
export function listen(queries: QueryClient): () => void {
  const old = new Set<string>();
  const ids = new Set<string>();
  const endpoints = new Map<string, Standing>();
  let timer: number | undefined;
  let isReading = false;
  let all = false;

  // A page of one object is read again only when news are about it; lists always.
  const concerns = (key: readonly unknown[]): boolean => {
    const path = key[1];
    if (key[0] !== "get" || typeof path !== "string") return false;
    if (all) return true;
    if (![...old].some((prefix) => path === prefix || path.startsWith(`${prefix}/`))) return false;
    const init = key[2] as { params?: { path?: Record<string, string> } } | undefined;
    const own = Object.values(init?.params?.path ?? {});
    return own.length === 0 || own.some((id) => ids.has(id));
  };
  const flush = (): void => {
    timer = undefined;
    isReading = true;
    const read = queries.invalidateQueries({
      predicate: ({ queryKey, meta }) => meta?.["hasOwnNews"] !== true && concerns(queryKey),
    });
    // A slow answer is waited for: reading again meanwhile would break it off, and a busy hour would show nothing.
    const enough = new Promise((resolve) => window.setTimeout(resolve, LONGEST));
    void Promise.race([read, enough]).finally(() => {
      isReading = false;
      if (all || old.size > 0) soon();
    });
    const heard = { paths: new Set(old), ids: new Set(ids), endpoints: new Map(endpoints), all };
    for (const hearer of hearers) hearer(heard);
    old.clear();
    ids.clear();
    endpoints.clear();
    all = false;
  };
  const soon = (): void => {
    if (!isReading) timer ??= window.setTimeout(flush, PAUSE);
  };

  let source: EventSource | undefined;
  let retry: number | undefined;
  let wait = 1000;
  const open = (): void => {
    become("connecting");
    const stream = new EventSource("/api/v1/events");
    source = stream;
    let isFirst = true;
    stream.addEventListener("ready", () => {
      wait = 1000;
      become("live");
      // What happened before the stream began is in no news.
      if (isFirst) {
        isFirst = false;
        all = true;
        soon();
      }
    });
    stream.addEventListener("resync", () => {
      become("live");
      all = true;
      soon();
    });
    for (const kind of KINDS) {
      stream.addEventListener(kind, (event: MessageEvent<string>) => {
        const news = JSON.parse(event.data) as News;
        for (const path of touched(kind, news)) old.add(path);
        for (const id of Object.values(news)) if (typeof id === "string") ids.add(id);
        if (kind === "endpoint" && news.endpoint !== undefined) endpoints.set(news.endpoint, news as Standing);
        soon();
      });
    }
    stream.onerror = () => {
      become("lost");
      if (stream.readyState !== EventSource.CLOSED) return;
      // Refused, not broken: the browser does not come back by itself. Perhaps the session ended.
      stream.close();
      void queries.invalidateQueries({ queryKey: ["get", "/api/v1/me"] });
      retry = window.setTimeout(open, wait);
      wait = Math.min(wait * 2, 30_000);
    };
  };
  open();
  return () => {
    source?.close();
    window.clearTimeout(retry);
    window.clearTimeout(timer);
  };
}
