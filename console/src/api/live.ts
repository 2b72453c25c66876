/// Live news: what the server says has changed is read again, at most a few times a second.

import type { Query, QueryClient } from "@tanstack/react-query";

import { readAgain } from "./query";
import { openStream } from "./stream";

/** Milliseconds between two readings of the same thing. */
const PAUSE = 400;
/** Milliseconds after which an answer that does not come is waited for no longer. */
const LONGEST = 10_000;

type News = {
  id?: string;
  task?: string;
  command?: string;
  endpoint?: string;
  approval?: string;
  artifact?: string;
  shell?: string;
  incident?: string;
  number?: number;
};

/** How an endpoint stands, as the news of it say. */
export type Standing = { connected?: boolean; state?: string; isolated?: boolean; alarm?: string | null };

/** The paths whose answers an event makes old. */
function touched(kind: string, news: News): string[] {
  switch (kind) {
    case "task":
      return ["/api/v1/tasks", "/api/v1/overview", "/api/v1/approvals", "/api/v1/response-plans"];
    case "command":
      return ["/api/v1/tasks", "/api/v1/commands", "/api/v1/overview"];
    case "progress":
      return ["/api/v1/commands", ...(news.task === undefined ? [] : ["/api/v1/tasks"])];
    case "endpoint":
      return ["/api/v1/endpoints", "/api/v1/overview"];
    case "approval":
      return ["/api/v1/approvals", "/api/v1/tasks", "/api/v1/overview", "/api/v1/response-plans"];
    case "break_glass":
      return ["/api/v1/break-glass"];
    case "shell":
      return ["/api/v1/shells"];
    case "incident":
    case "detection":
      return ["/api/v1/incidents", "/api/v1/detections", "/api/v1/overview"];
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

/** Listens until the returned function is called, to the news of `owner`: a person in a tenant. */
export function listen(queries: QueryClient, owner: string): () => void {
  const old = new Set<string>();
  const ids = new Set<string>();
  const endpoints = new Map<string, Standing>();
  let timer: number | undefined;
  let isReading = false;
  let all = false;
  // Answers from before this moment may miss what no news told.
  let since = 0;

  // A page of one object is read again only when news are about it; lists always.
  const concerns = ({ queryKey: key, state }: Query): boolean => {
    const path = key[1];
    if (key[0] !== "get" || typeof path !== "string") return false;
    if (all || (state.dataUpdatedAt > 0 && state.dataUpdatedAt < since)) return true;
    if (![...old].some((prefix) => path === prefix || path.startsWith(`${prefix}/`))) return false;
    const init = key[2] as { params?: { path?: Record<string, string> } } | undefined;
    const own = Object.values(init?.params?.path ?? {});
    return own.length === 0 || own.some((id) => ids.has(id));
  };
  const flush = (): void => {
    timer = undefined;
    isReading = true;
    const hasOwn = ({ meta }: Query): boolean => meta?.["hasOwnNews"] === true;
    const isOld = ({ state }: Query): boolean => state.dataUpdatedAt > 0 && state.dataUpdatedAt < since;
    const isLost = all || queries.getQueryCache().findAll({ predicate: hasOwn }).some(isOld);
    const read = readAgain(queries, (query) => !hasOwn(query) && concerns(query));
    // A slow answer is waited for: reading again meanwhile would break it off, and a busy hour would show nothing.
    const enough = new Promise((resolve) => window.setTimeout(resolve, LONGEST));
    void Promise.race([read, enough]).finally(() => {
      isReading = false;
      if (all || since > 0 || old.size > 0) soon();
    });
    const heard = { paths: new Set(old), ids: new Set(ids), endpoints: new Map(endpoints), all: isLost };
    for (const hearer of hearers) hearer(heard);
    old.clear();
    ids.clear();
    endpoints.clear();
    all = false;
    since = 0;
  };
  const soon = (): void => {
    if (!isReading) timer ??= window.setTimeout(flush, PAUSE);
  };

  const close = openStream(
    owner,
    {
      ready: (at) => {
        since = Math.max(since, at);
        soon();
      },
      news: (kind, text) => {
        if (kind === "beat") return;
        if (kind === "resync") all = true;
        const news = JSON.parse(text) as News;
        for (const path of touched(kind, news)) old.add(path);
        for (const id of Object.values(news)) if (typeof id === "string") ids.add(id);
        // People address an incident by its number.
        if (typeof news.number === "number") ids.add(String(news.number));
        if (kind === "endpoint" && news.endpoint !== undefined) endpoints.set(news.endpoint, news as Standing);
        soon();
      },
    },
    () => {
      // Refused, not broken: perhaps the session ended.
      void queries.invalidateQueries({ queryKey: ["get", "/api/v1/me"] });
    },
  );
  return () => {
    close();
    window.clearTimeout(timer);
  };
}
