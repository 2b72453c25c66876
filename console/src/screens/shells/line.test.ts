/// The line of a shell over connections that break: every byte once, and nothing typed twice.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { framed, Line, unframed, type Listener } from "./line";

class Socket {
  static all: Socket[] = [];
  static readonly OPEN = 1;
  binaryType = "";
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  isClosed = false;
  sent: unknown[] = [];
  constructor(readonly query: string) {
    Socket.all.push(this);
  }
  send(data: unknown): void {
    this.sent.push(data);
  }
  close(): void {
    this.isClosed = true;
  }
  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  write(offset: number, text: string): void {
    this.onmessage?.({ data: framed(offset, new TextEncoder().encode(text)).buffer });
  }
  /** What was typed over it: offset and text. */
  get typed(): [number, string][] {
    return this.sent
      .filter((each) => each instanceof Uint8Array)
      .map((each) => {
        const [offset, data] = unframed(each.slice().buffer) ?? [0, new Uint8Array()];
        return [offset, new TextDecoder().decode(data)];
      });
  }
}

const last = (): Socket => Socket.all.at(-1) as Socket;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function hello(input: number, output: number, more: object = {}): object {
  return { type: "hello", is_writer: true, is_resumed: true, input, output, written: output, ...more };
}

let said: string[] = [];
let isOver = false;

function line(pen?: string): Line {
  const listener: Listener = {
    link: (link) => said.push(link),
    output: (data, isPast, shown) => {
      said.push(`${isPast ? "past" : "new"} ${new TextDecoder().decode(data)}`);
      shown();
    },
    standing: ({ state }) => said.push(`state ${state}`),
    taken: () => said.push("taken"),
    doubtful: (count) => said.push(`doubtful ${String(count)}`),
    ended: ({ reason }) => said.push(`ended ${reason}`),
    answer: ({ id, message }) => said.push(`answer ${String(id)} ${message}`),
  };
  const way = {
    open: (query: string) => new Socket(query) as unknown as WebSocket,
    isOver: () => Promise.resolve(isOver),
  };
  return new Line(way, listener, pen);
}

beforeEach(() => {
  vi.useFakeTimers();
  Socket.all = [];
  said = [];
  isOver = false;
});

afterEach(() => {
  vi.useRealTimers();
});

test("a break loses nothing and types nothing twice", async () => {
  const shell = line("pen");
  expect(last().query).toBe("pen=pen");
  shell.type(bytes("a"));
  last().say(hello(5, 0));
  expect(last().typed).toEqual([[5, "a"]]);
  shell.type(bytes("bc"));
  last().say({ type: "taken", input: 6 });
  last().write(0, "one");
  // What comes again after a break is passed over.
  last().onclose?.();
  shell.type(bytes("d"));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(last().query).toBe("pen=pen&from=3");
  last().say(hello(7, 3));
  expect(last().typed).toEqual([[7, "cd"]]);
  last().write(1, "netwo");
  expect(said.filter((each) => each.startsWith("new"))).toEqual(["new one", "new two"]);
  expect(said.some((each) => each.startsWith("doubtful"))).toBe(false);
  shell.close();
});

test("what may have arrived is told, and not sent again", async () => {
  const shell = line("pen");
  last().say(hello(0, 0));
  shell.type(bytes("rm x\r"));
  last().onclose?.();
  await vi.advanceTimersByTimeAsync(1_000);
  last().say(hello(9, 0, { is_resumed: false }));
  expect(said).toContain("doubtful 5");
  expect(last().typed).toEqual([]);
  shell.type(bytes("y"));
  expect(last().typed).toEqual([[9, "y"]]);
  shell.close();
});

test("what was written before one came is told apart by the byte", () => {
  const shell = line();
  last().say(hello(0, 10, { is_writer: false, written: 13 }));
  last().write(10, "oldnew");
  expect(said.slice(-2)).toEqual(["past old", "new new"]);
  expect(shell.type(bytes("x"))).toBe(false);
  shell.close();
});

test("silence is a break, and a shell that is over is not tried for ever", async () => {
  line();
  last().say(hello(0, 0));
  await vi.advanceTimersByTimeAsync(10_000);
  last().say({ type: "beat" });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(Socket.all).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(8_000);
  expect(Socket.all.length).toBeGreaterThan(1);
  isOver = true;
  last().onclose?.();
  await vi.advanceTimersByTimeAsync(10);
  expect(said.at(-1)).toBe("ended over");
  const tried = Socket.all.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(Socket.all).toHaveLength(tried);
});

test("what is shown is said now and then, and the size at once", () => {
  const shell = line("pen");
  shell.resize(100, 30);
  last().say(hello(0, 0));
  last().write(0, "x".repeat(65_000));
  last().write(65_000, "x".repeat(1_000));
  const messages = last().sent.filter((each) => typeof each === "string");
  expect(messages).toEqual(['{"type":"resize","cols":100,"rows":30}', '{"type":"ack","output":66000}']);
  shell.close();
});

test("verbs are numbered, and asked of nobody while there is no connection", () => {
  const shell = line("pen");
  expect(shell.ask("ls", ["/"])).toBeUndefined();
  last().say(hello(0, 0));
  expect([shell.ask("ls", ["/"]), shell.ask("ps", [])]).toEqual([1, 2]);
  expect(last().sent).toEqual([
    '{"type":"verb","id":1,"verb":"ls","arguments":["/"]}',
    '{"type":"verb","id":2,"verb":"ps","arguments":[]}',
  ]);
  last().say({ type: "answer", id: 2, is_over: true, is_ok: true, message: "", result: null, done: 0, total: 0 });
  expect(said.at(-1)).toBe("answer 2 ");
  shell.close();
});
