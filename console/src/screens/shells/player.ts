/// Plays a recording into a terminal: at some speed, from some moment, with long pauses cut where that is wanted.

import type { Terminal } from "@xterm/xterm";

import { countBy, played, sizeOf, type Cast } from "./cast";

/** Seconds to which a pause is cut. */
export const LONGEST = 1;
/** Milliseconds between two looks at what is due. */
const STEP = 33;

export type Position = {
  /** Seconds of playing, and in all. */
  time: number;
  length: number;
  /** Seconds of the recording. */
  at: number;
  isPlaying: boolean;
};

export class Player {
  private times: Float64Array;
  /** Events that were given to the terminal. */
  private done = 0;
  private time = 0;
  private speed = 1;
  private timer: ReturnType<typeof setInterval> | undefined;
  private before = 0;
  /** Another jump takes the place of one that is still being drawn. */
  private turn = 0;
  private isBusy = false;

  constructor(
    private readonly cast: Cast,
    private readonly terminal: Terminal,
    private isCut: boolean,
    private readonly tell: (position: Position) => void,
  ) {
    this.times = this.plan();
    void this.jump(0);
  }

  private plan(): Float64Array {
    return played(this.cast.events, this.isCut ? LONGEST : Infinity);
  }

  private get length(): number {
    return this.times.at(-1) ?? 0;
  }

  private say(): void {
    this.tell({ time: this.time, length: this.length, at: this.atOf(this.time), isPlaying: this.timer !== undefined });
  }

  /** The moment of the recording that is played at `time`. */
  private atOf(time: number): number {
    const count = countBy(this.times, time);
    const [at, played] = count === 0 ? [0, 0] : [this.cast.events[count - 1]?.at ?? 0, this.times[count - 1] ?? 0];
    const next = this.cast.events[count]?.at ?? at;
    return Math.min(at + (time - played), next);
  }

  play(): void {
    if (this.timer !== undefined) return;
    if (this.time >= this.length) void this.jump(0);
    this.before = performance.now();
    this.timer = setInterval(() => {
      this.step();
    }, STEP);
    this.say();
  }

  pause(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.say();
  }

  setSpeed(speed: number): void {
    this.speed = speed;
  }

  /** Cuts long pauses or leaves them; what is on the screen stays. */
  setCut(isCut: boolean): void {
    if (isCut === this.isCut) return;
    const at = this.atOf(this.time);
    this.isCut = isCut;
    this.times = this.plan();
    this.time = this.timeOf(at);
    this.done = countBy(this.times, this.time);
    this.say();
  }

  private timeOf(at: number): number {
    const { events } = this.cast;
    let [low, high] = [0, events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((events[middle]?.at ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return Math.min(at, this.times[0] ?? 0);
    const since = at - (events[low - 1]?.at ?? 0);
    const next = this.times[low] ?? this.length;
    return Math.min((this.times[low - 1] ?? 0) + since, next);
  }

  /** To a moment of the recording. */
  seek(at: number): Promise<void> {
    return this.jump(this.timeOf(at));
  }

  /** To a moment of playing. */
  async jump(time: number): Promise<void> {
    const turn = ++this.turn;
    this.time = Math.min(Math.max(time, 0), this.length);
    const wanted = countBy(this.times, this.time);
    this.say();
    this.isBusy = true;
    if (wanted < this.done || this.done === 0) {
      this.terminal.reset();
      this.terminal.resize(this.cast.cols, this.cast.rows);
      this.done = 0;
    }
    await this.draw(wanted, turn);
    if (turn === this.turn) this.isBusy = false;
  }

  dispose(): void {
    this.turn += 1;
    clearInterval(this.timer);
  }

  private step(): void {
    const now = performance.now();
    // A tab that slept does not rush after it.
    const passed = Math.min((now - this.before) / 1000, 0.5) * this.speed;
    this.before = now;
    if (this.isBusy) return;
    this.time = Math.min(this.time + passed, this.length);
    const turn = this.turn;
    this.isBusy = true;
    void this.draw(countBy(this.times, this.time), turn).then(() => {
      if (turn === this.turn) this.isBusy = false;
    });
    if (this.time >= this.length) this.pause();
    else this.say();
  }

  /** Writes what comes before `wanted`, in as few pieces as its changes of size allow. */
  private async draw(wanted: number, turn: number): Promise<void> {
    while (this.done < wanted && turn === this.turn) {
      let text = "";
      let size: ReturnType<typeof sizeOf>;
      while (this.done < wanted && size === undefined && text.length < PIECE) {
        const event = this.cast.events[this.done++];
        if (event?.code === "o") text += event.data;
        if (event?.code === "r") size = sizeOf(event.data);
      }
      if (text !== "")
        await new Promise<void>((resolve) => {
          this.terminal.write(text, resolve);
        });
      if (size !== undefined && turn === this.turn) this.terminal.resize(size.cols, size.rows);
    }
  }
}

/** Characters that are written at once. */
const PIECE = 1 << 20;
