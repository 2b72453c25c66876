/// A person's end of a remote shell: over as many connections as it takes, with every byte once. What the bytes mean is the
/// terminal's matter, how they travel is this file's.

/** Somebody at the shell. */
export type Person = { name: string; is_writer: boolean };

/** How the shell stands, as the server tells. */
export type Standing = {
  state: string;
  program: string;
  user: string;
  cols: number;
  rows: number;
  people: Person[];
  is_writer: boolean;
  ends_us: number;
};

/** How it ended. */
export type Ending = { reason: string; by: string; exit_code: number | null; signal: number | null };

/** How a verb of the agent goes on; `done` and `total` are bytes. */
export type Answer = {
  id: number;
  is_over: boolean;
  is_ok: boolean;
  message: string;
  result: unknown;
  done: number;
  total: number;
};

/** What the server says beside what the terminal wrote. */
type Told =
  | { type: "hello"; is_writer: boolean; is_resumed: boolean; input: number; output: number; written: number }
  | ({ type: "state" } & Standing)
  | { type: "taken"; input: number }
  | { type: "beat" }
  | ({ type: "answer" } & Answer)
  | ({ type: "end" } & Ending);

/** How the connection is: `gone` was tried for long enough. */
export type Link = "connecting" | "connected" | "broken" | "gone";

export type Listener = {
  link: (link: Link) => void;
  /** New output; `isPast` where it was written before this end came. `shown` is to be called once it is on the screen. */
  output: (data: Uint8Array, isPast: boolean, shown: () => void) => void;
  standing: (standing: Standing) => void;
  /** Something typed reached the terminal. */
  taken: () => void;
  /** So much of what was typed may not have arrived, and is not sent again. */
  doubtful: (count: number) => void;
  ended: (ending: Ending) => void;
  answer: (answer: Answer) => void;
};

export type Way = {
  open: (query: string) => WebSocket;
  /** Whether the shell is known to be over: asked when no connection comes about, which a browser does not explain. */
  isOver: () => Promise<boolean>;
};

export const SUBPROTOCOL = "quell.shell.v1";
/** Bytes of one message; typed and not yet taken; shown until it is said so. */
const DATA = 64 << 10;
export const UNTAKEN = 256 << 10;
const ACK = 64 << 10;
/** Milliseconds without a word (a beat comes every 5 s) after which a connection is taken for broken. */
const SILENCE = 15_000;
/** Milliseconds between tries, at first and at most; how many in a row: about five minutes. */
const SOON = 200;
const LATE = 3_000;
const TRIES = 100;

/** Eight bytes of offset before the data. */
export function framed(offset: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(8 + data.length);
  new DataView(message.buffer).setBigUint64(0, BigInt(offset));
  message.set(data, 8);
  return message;
}

/** Offset and data; nothing where it is too short to be any. */
export function unframed(message: ArrayBuffer): [number, Uint8Array] | undefined {
  if (message.byteLength <= 8) return undefined;
  return [Number(new DataView(message).getBigUint64(0)), new Uint8Array(message, 8)];
}

export class Line {
  private socket: WebSocket | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private watch: ReturnType<typeof setInterval> | undefined;
  private heardAt = 0;
  private tries = 0;
  private isReady = false;
  private isClosed = false;
  /** Output before this was given to the terminal, and is on the screen; before `past` it is old. */
  private given: number | undefined;
  private shown = 0;
  private acked = 0;
  private past = 0;
  /** Input before this was taken by the terminal; typed since. */
  private taken = 0;
  private sent = new Uint8Array(0);
  private verbs = 0;
  private size: { cols: number; rows: number } | undefined;

  /** With a `pen` it types, without one it looks on. */
  constructor(
    private readonly way: Way,
    private readonly listener: Listener,
    private readonly pen?: string,
  ) {
    this.connect();
  }

  /** Types; `false` where that is too much for now. */
  type(data: Uint8Array): boolean {
    if (this.pen === undefined || this.isClosed || this.sent.length + data.length > UNTAKEN) return false;
    const from = this.taken + this.sent.length;
    const joined = new Uint8Array(this.sent.length + data.length);
    joined.set(this.sent);
    joined.set(data, this.sent.length);
    this.sent = joined;
    if (this.isReady) this.send(from, data);
    return true;
  }

  resize(cols: number, rows: number): void {
    if (this.size?.cols === cols && this.size.rows === rows) return;
    this.size = { cols, rows };
    this.tellSize();
  }

  /** Asks for the end of the shell; `false` where nobody hears it. */
  end(): boolean {
    return this.say({ type: "end" });
  }

  /** Asks the agent beside the terminal; the number that its answers carry, or nothing where nobody hears it. */
  ask(verb: string, words: string[]): number | undefined {
    const id = this.verbs + 1;
    if (!this.say({ type: "verb", id, verb, arguments: words })) return undefined;
    this.verbs = id;
    return id;
  }

  /** Tries at once, and as often as at first. */
  retry(): void {
    if (this.isClosed || this.isReady) return;
    this.tries = 0;
    this.connect();
  }

  /** Leaves; the shell goes on. */
  close(): void {
    this.isClosed = true;
    this.drop();
  }

  private drop(): void {
    clearTimeout(this.timer);
    clearInterval(this.watch);
    this.isReady = false;
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
  }

  private connect(): void {
    this.drop();
    this.listener.link(this.given === undefined ? "connecting" : "broken");
    const query = new URLSearchParams();
    if (this.pen !== undefined) query.set("pen", this.pen);
    if (this.given !== undefined) query.set("from", String(this.given));
    const socket = this.way.open(query.toString());
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.heardAt = Date.now();
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (socket !== this.socket) return;
      this.heardAt = Date.now();
      if (typeof data === "string") this.hear(JSON.parse(data) as Told);
      else this.take(data);
    };
    socket.onclose = () => {
      if (socket === this.socket) this.broke();
    };
    this.watch = setInterval(() => {
      if (Date.now() - this.heardAt > SILENCE) this.broke();
    }, 1_000);
  }

  private broke(): void {
    if (this.isClosed) return;
    const wasReady = this.isReady;
    this.drop();
    this.tries = wasReady ? 0 : this.tries + 1;
    if (this.tries > TRIES) {
      this.listener.link("gone");
      return;
    }
    this.listener.link(this.given === undefined ? "connecting" : "broken");
    const again = (): void => {
      if (this.isClosed || this.socket !== undefined) return;
      clearTimeout(this.timer);
      this.timer = setTimeout(
        () => {
          this.connect();
        },
        Math.min(SOON * 2 ** Math.min(this.tries, 10), LATE),
      );
    };
    if (wasReady) {
      again();
      return;
    }
    this.way.isOver().then((isOver) => {
      if (isOver && !this.isClosed) this.over({ reason: "over", by: "", exit_code: null, signal: null });
      else again();
    }, again);
  }

  private hear(told: Told): void {
    switch (told.type) {
      case "hello":
        this.greet(told);
        break;
      case "state":
        this.listener.standing(told);
        break;
      case "taken": {
        const count = Math.min(Math.max(told.input - this.taken, 0), this.sent.length);
        this.sent = this.sent.slice(count);
        this.taken += count;
        this.listener.taken();
        break;
      }
      case "answer":
        this.listener.answer(told);
        break;
      case "end":
        this.over(told);
        break;
      default:
    }
  }

  private greet(hello: Told & { type: "hello" }): void {
    const isFirst = this.given === undefined;
    if (isFirst) {
      this.given = hello.output;
      this.shown = hello.output;
      this.past = hello.written;
      // What was typed before was sent to nobody yet.
      this.taken = hello.input;
    }
    const isKnown =
      isFirst || (hello.is_resumed && hello.input >= this.taken && hello.input <= this.taken + this.sent.length);
    // Somebody else typed meanwhile, or the server knows another count: whether ours arrived cannot be known.
    if (this.sent.length > 0 && !isKnown) this.listener.doubtful(this.sent.length);
    this.sent = isKnown ? this.sent.slice(hello.input - this.taken) : new Uint8Array(0);
    this.taken = hello.input;
    this.isReady = true;
    this.tries = 0;
    this.listener.link("connected");
    this.tellSize();
    if (this.sent.length > 0) this.send(this.taken, this.sent);
  }

  private take(message: ArrayBuffer): void {
    const [offset, data] = unframed(message) ?? [0, new Uint8Array(0)];
    const given = this.given ?? offset;
    const fresh = data.subarray(Math.max(given - offset, 0));
    if (fresh.length === 0) return;
    const end = offset + data.length;
    this.given = end;
    // Past and present are told apart by the byte.
    const old = Math.min(Math.max(this.past - (end - fresh.length), 0), fresh.length);
    const shown = (upTo: number) => (): void => {
      this.shown = Math.max(this.shown, upTo);
      if (this.shown >= this.acked + ACK && this.say({ type: "ack", output: this.shown })) this.acked = this.shown;
    };
    if (old > 0) this.listener.output(fresh.subarray(0, old), true, shown(end - fresh.length + old));
    if (old < fresh.length) this.listener.output(fresh.subarray(old), false, shown(end));
  }

  private over(ending: Ending): void {
    this.close();
    this.listener.ended(ending);
  }

  private tellSize(): void {
    if (this.size !== undefined && this.pen !== undefined) this.say({ type: "resize", ...this.size });
  }

  private say(message: object): boolean {
    if (!this.isReady || this.socket === undefined) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  private send(from: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; at += DATA) {
      this.socket?.send(framed(from + at, data.subarray(at, at + DATA)));
    }
  }
}

/** A pen of this end's own: 32 letters and digits. */
export function freshPen(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
