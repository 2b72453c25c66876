/// Recordings (asciicast version 2) as a player wants them: what was on the screen when, what was typed, who came and went.

/** Something that happened; `at` in seconds from the beginning. */
export type Event = { at: number; code: "o" | "i" | "r" | "m"; data: string };

export type Cast = {
  cols: number;
  rows: number;
  /** When it began, in milliseconds since 1970. */
  began: number;
  events: Event[];
  /** Seconds. */
  length: number;
};

const SIDE = 1000;
const CODES = new Set(["o", "i", "r", "m"]);

/** Reads what it can; a line that is none is passed over, as the last one of a recording that was cut. */
export function castOf(text: string): Cast {
  const cast: Cast = { cols: 80, rows: 24, began: 0, events: [], length: 0 };
  for (const line of text.split("\n")) {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      continue;
    }
    if (Array.isArray(value)) {
      const [at, code, data] = value as unknown[];
      if (typeof at !== "number" || typeof code !== "string" || typeof data !== "string" || !CODES.has(code)) continue;
      // Time does not run backwards.
      cast.length = Math.max(cast.length, at);
      cast.events.push({ at: cast.length, code: code as Event["code"], data });
    } else if (typeof value === "object" && value !== null) {
      const head = value as Record<string, unknown>;
      cast.cols = side(head["width"]) ?? cast.cols;
      cast.rows = side(head["height"]) ?? cast.rows;
      cast.began = typeof head["timestamp"] === "number" ? head["timestamp"] * 1000 : cast.began;
    }
  }
  return cast;
}

function side(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= SIDE ? value : undefined;
}

/** `132x50` of an event of kind `r`. */
export function sizeOf(data: string): { cols: number; rows: number } | undefined {
  const [cols, rows] = data.split("x").map((part) => side(Number(part)));
  return cols === undefined || rows === undefined ? undefined : { cols, rows };
}

/** When each event is played, with no pause longer than `longest` seconds. */
export function played(events: readonly Event[], longest: number): Float64Array {
  const times = new Float64Array(events.length);
  let now = 0;
  let before = 0;
  for (const [index, { at }] of events.entries()) {
    now += Math.min(at - before, longest);
    before = at;
    times[index] = now;
  }
  return times;
}

/** How many events were played by `time`. */
export function countBy(times: Float64Array, time: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A line that was typed, or a word about the shell. */
export type Moment = { at: number; kind: "typed" | "mark"; text: string };

/** Of a recording at most so many; a line of at most so many characters. */
const MOMENTS = 2000;
const LINE = 400;

/** What was typed, line by line, and the marks between. */
export function momentsOf(events: readonly Event[]): Moment[] {
  const found: Moment[] = [];
  let line = "";
  let at = 0;
  const keep = (): void => {
    if (line.trim() !== "") found.push({ at, kind: "typed", text: line });
    line = "";
  };
  for (const event of events) {
    if (found.length >= MOMENTS) break;
    if (event.code === "m") found.push({ at: event.at, kind: "mark", text: event.data.slice(0, LINE) });
    if (event.code !== "i") continue;
    if (line === "") at = event.at;
    // What an answer of the terminal or a key of several characters is, nobody typed as letters.
    // eslint-disable-next-line no-control-regex
    for (const character of event.data.replaceAll(/\u001b(\[[0-9;?<>]*[ -/]*[@-~]|O.|.)?/g, "")) {
      if (character === "\r" || character === "\n") keep();
      else if (character === "\u007f" || character === "\b") line = line.slice(0, -1);
      else if (character === "\u0003" || character === "\u0015") line = "";
      else if (character >= " " && line.length < LINE) line += character;
    }
  }
  keep();
  return found;
}

/** `1:02:03`, `2:03`. */
export function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number: number): string => String(number).padStart(2, "0");
  return hours > 0 ? `${String(hours)}:${two(minutes)}:${two(rest)}` : `${String(minutes)}:${two(rest)}`;
}
