import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { liveState, openStream } from "./stream";

class Source extends EventTarget {
  static readonly CLOSED = 2;
  static opened: Source[] = [];
  onerror: (() => void) | null = null;
  readyState = 1;
  constructor() {
    super();
    Source.opened.push(this);
  }
  close(): void {
    this.readyState = Source.CLOSED;
  }
  say(kind: string, data = "{}"): void {
    this.dispatchEvent(new MessageEvent(kind, { data }));
  }
  get isOpen(): boolean {
    return this.readyState !== Source.CLOSED;
  }
}

/** Locks as browsers have them: the next gets it when the one before is done. */
class Locks {
  private last = new Map<string, Promise<unknown>>();
  request(name: string, { signal }: { signal: AbortSignal }, use: () => Promise<void> | undefined): Promise<unknown> {
    const next = (this.last.get(name) ?? Promise.resolve()).then(() => (signal.aborted ? undefined : use()));
    this.last.set(name, next);
    return next;
  }
}

/** Channels without a network of threads, so that the clock of the test is theirs too. */
class Channel {
  static all = new Set<Channel>();
  onmessage: ((event: { data: unknown }) => void) | null = null;
  constructor(readonly name: string) {
    Channel.all.add(this);
  }
  postMessage(data: unknown): void {
    for (const other of Channel.all) if (other !== this && other.name === this.name) other.onmessage?.({ data });
  }
  close(): void {
    Channel.all.delete(this);
  }
}

function tab(owner = "t p") {
  const news: string[] = [];
  const ready: number[] = [];
  const refused = vi.fn();
  const listener = {
    news: (kind: string) => {
      if (kind !== "beat") news.push(kind);
    },
    ready: (since: number) => ready.push(since),
  };
  return { news, ready, refused, close: openStream(owner, listener, refused) };
}

const turn = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
  Source.opened = [];
  Channel.all.clear();
  vi.stubGlobal("EventSource", Source);
  vi.stubGlobal("BroadcastChannel", Channel);
  vi.stubGlobal("navigator", { locks: new Locks() });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("a stream that says nothing is lost, and opened anew", async () => {
  vi.stubGlobal("navigator", {});
  const one = tab();
  Source.opened[0]?.say("ready");
  expect(liveState()).toBe("live");
  await vi.advanceTimersByTimeAsync(30_000);
  Source.opened[0]?.say("beat");
  await vi.advanceTimersByTimeAsync(39_000);
  expect(liveState()).toBe("live");
  await vi.advanceTimersByTimeAsync(6_000);
  expect(liveState()).toBe("lost");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(Source.opened.map((source) => source.isOpen)).toEqual([false, true]);
  const since = Date.now();
  Source.opened[1]?.say("ready");
  expect(liveState()).toBe("live");
  expect(one.ready.at(-1)).toBeGreaterThan(since - 2_000);
  one.close();
  expect(Source.opened.some((source) => source.isOpen)).toBe(false);
});

test("tabs of one owner share a stream, and the next takes it over", async () => {
  const [one, two] = [tab(), tab()];
  const other = tab("elsewhere");
  await turn();
  expect(Source.opened).toHaveLength(2);
  Source.opened[0]?.say("ready");
  Source.opened[0]?.say("task");
  expect([one.news, two.news, other.news]).toEqual([["task"], ["task"], []]);
  const late = tab();
  await turn();
  expect(late.ready).toHaveLength(1);

  const before = two.ready.length;
  one.close();
  await turn();
  expect(Source.opened.filter((source) => source.isOpen)).toHaveLength(2);
  Source.opened.at(-1)?.say("ready");
  expect(two.ready.length).toBe(before + 1);
  expect(late.ready).toHaveLength(2);
  for (const each of [two, late, other]) each.close();
  await turn();
  expect(Source.opened.some((source) => source.isOpen)).toBe(false);
});

test("a refusal is told, and tried again", async () => {
  const one = tab();
  await turn();
  const source = Source.opened[0];
  if (source === undefined) throw new Error("no stream");
  source.readyState = Source.CLOSED;
  source.onerror?.();
  expect(one.refused).toHaveBeenCalledOnce();
  expect(liveState()).toBe("lost");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(Source.opened).toHaveLength(2);
  one.close();
});
