/// The stream of news, one for all tabs: the tab that holds a lock has it open and passes on what it says. A stream that says
/// nothing for too long is taken for broken, since a cut line is not told otherwise.

import { useSyncExternalStore } from "react";

/** How the stream is. */
export type LiveState = "connecting" | "live" | "lost";

/** What is heard: a kind of news and its JSON; `ready` carries the moment from which on nothing is missed. */
type Told = { kind: string; data: string } | { kind: "ready"; since: number };
/** Between tabs there are also: a new one that asks how it stands, and the leader's word that the stream broke. */
type Passed = Told | { kind: "hello" } | { kind: "lost" };

export type Listener = { news: (kind: string, data: string) => void; ready: (since: number) => void };

const KINDS = [
  "incident",
  "detection",
  "task",
  "command",
  "progress",
  "endpoint",
  "approval",
  "break_glass",
  "artifact",
  "shell",
  "resync",
  "beat",
];

/** Milliseconds without a word (a beat comes every 15 s) after which the stream is lost, and between two looks at that. */
const SILENCE = 40_000;
const LOOK = 5_000;
/** Milliseconds until it is opened anew, at first and at most. */
const SOON = 1_000;
const LATE = 30_000;

let state: LiveState = "connecting";
const watchers = new Set<() => void>();

function become(next: LiveState): void {
  if (state === next) return;
  state = next;
  for (const watcher of watchers) watcher();
}

export function liveState(): LiveState {
  return state;
}

/** How the stream is now. */
export function useLiveState(): LiveState {
  return useSyncExternalStore((watcher) => {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  }, liveState);
}

/** Opens the stream, and again when it breaks. `refused` is called where the server does not let it begin. */
function hold(tell: (told: Told) => void, lost: () => void, refused: () => void): () => void {
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let wait = SOON;
  let heardAt = Date.now();
  const broke = (): void => {
    source?.close();
    source = undefined;
    lost();
    retry = setTimeout(open, wait);
    wait = Math.min(wait * 2, LATE);
  };
  const open = (): void => {
    const since = Date.now();
    heardAt = since;
    const stream = new EventSource("/api/v1/events");
    source = stream;
    stream.addEventListener("ready", () => {
      wait = SOON;
      heardAt = Date.now();
      tell({ kind: "ready", since });
    });
    for (const kind of KINDS) {
      stream.addEventListener(kind, ({ data }: MessageEvent<string>) => {
        heardAt = Date.now();
        tell({ kind, data });
      });
    }
    stream.onerror = () => {
      if (source !== stream) return;
      if (stream.readyState === EventSource.CLOSED) refused();
      broke();
    };
  };
  const look = setInterval(() => {
    if (source !== undefined && Date.now() - heardAt > SILENCE) broke();
  }, LOOK);
  open();
  return () => {
    source?.close();
    source = undefined;
    clearTimeout(retry);
    clearInterval(look);
  };
}

/**
 * Listens until the returned function is called. Tabs share a stream where they are of the same `owner`; where the browser
 * has no locks each has its own.
 */
export function openStream(owner: string, listener: Listener, refused: () => void): () => void {
  const began = Date.now();
  let heardAt = began;
  become("connecting");
  const hear = (told: Told): void => {
    heardAt = Date.now();
    become("live");
    if ("since" in told) listener.ready(told.since);
    else listener.news(told.kind, told.data);
  };
  const lost = (): void => {
    become("lost");
  };
  const locks = (navigator as Partial<Navigator>).locks;
  if (locks === undefined || typeof BroadcastChannel === "undefined") return hold(hear, lost, refused);

  const channel = new BroadcastChannel(`quell-live ${owner}`);
  const pass = (message: Passed): void => {
    channel.postMessage(message);
  };
  let end: (() => void) | undefined;
  let isBegun = false;
  let isHeld = false;
  channel.onmessage = ({ data }: MessageEvent<Passed>) => {
    if (data.kind === "hello") {
      // News reach the new one from now on; what it read before, it reads again.
      if (isHeld) pass({ kind: "beat", data: "{}" });
      return;
    }
    if (end !== undefined) return;
    if (data.kind === "lost") {
      lost();
      return;
    }
    const told = data as Told;
    if (!isBegun && !("since" in told)) listener.ready(began);
    isBegun = true;
    hear(told);
  };
  pass({ kind: "hello" });
  const look = setInterval(() => {
    if (end === undefined && Date.now() - heardAt > SILENCE) lost();
  }, LOOK);
  const stop = new AbortController();
  const lead = (): Promise<void> =>
    new Promise((resolve) => {
      const close = hold(
        (told) => {
          isHeld = true;
          pass(told);
          hear(told);
        },
        () => {
          isHeld = false;
          pass({ kind: "lost" });
          lost();
        },
        refused,
      );
      end = () => {
        close();
        resolve();
      };
    });
  locks
    .request(`quell-live ${owner}`, { signal: stop.signal }, () => (stop.signal.aborted ? undefined : lead()))
    .catch(() => undefined);
  return () => {
    stop.abort();
    end?.();
    clearInterval(look);
    channel.close();
  };
}
