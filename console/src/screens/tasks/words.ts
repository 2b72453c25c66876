/// Tasks in words: parameters by the catalogue's schema, targets, where a task came from.

import type { Schemas } from "../../api/client";
import { bytes, count, words } from "../../ui/text";
import { duration } from "../../ui/Time";
import { isNothing, isRecord, label, present, type Schema } from "./schema";

export type Task = Schemas["Task"];
export type Command = Schemas["Command"];

/** What is not to be seen, as the server writes it. */
export const MASKED = "***";

export type Said = { name: string; label: string; value: string; help: string | undefined };

/** Names for what parameters refer to by a digest: bodies of the library. */
export type Known = ReadonlyMap<string, string>;

/** A value of a parameter or of an outcome, on one line. */
export function sayValue(name: string, value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return sayNumber(name, value);
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map((each) => sayValue(name, each)).join(", ");
  if (isRecord(value)) {
    return Object.entries(value)
      .filter(([, each]) => !isNothing(each))
      .map(([key, each]) => `${words(key)} ${sayValue(key, each)}`)
      .join(", ");
  }
  return "–";
}

/** A number with the unit that its name ends in. */
export function sayNumber(name: string, value: number): string {
  // Larger ones are moments.
  if (name.endsWith("_us") && value < 1e12) return `${value.toLocaleString("en")} µs`;
  if (name.endsWith("_ms")) return duration(value);
  if (name.endsWith("_seconds")) return duration(value * 1000);
  if (name.endsWith("_minutes")) return duration(value * 60_000);
  if (/(^|_)(bytes|size)$/.test(name)) return bytes(value);
  if (name === "mode") return (value & 0o7777).toString(8).padStart(4, "0");
  return String(value);
}

function isDefault(schema: Schema | undefined, value: unknown): boolean {
  return schema?.default !== undefined && JSON.stringify(schema.default) === JSON.stringify(value);
}

/** Bodies of the library by their names, where these are known. */
function named(value: unknown, known: Known): unknown {
  if (Array.isArray(value)) return value.map((each) => named(each, known));
  return typeof value === "string" && value.startsWith("sha256:") ? (known.get(value.slice(7)) ?? value) : value;
}

/** The parameters that say something: those that stand at their default are left out. */
export function sayParams(schema: Schema | undefined, params: Record<string, unknown>, known: Known): Said[] {
  const names = [...Object.keys(schema?.properties ?? {}), ...Object.keys(params)];
  return [...new Set(names)]
    .filter((name) => !isNothing(params[name]) && !isDefault(schema?.properties?.[name], params[name]))
    .map((name) => {
      const value = params[name];
      const of = present(schema?.properties?.[name]);
      return {
        name,
        label: label(name),
        value: value === MASKED ? "hidden" : sayValue(name, named(value, known)),
        help: of?.description,
      };
    })
    .sort((one, other) => rank(schema, one.name) - rank(schema, other.name));
}

/** What has no default in the schema says most. */
function rank(schema: Schema | undefined, name: string): number {
  return schema?.properties?.[name]?.default === undefined ? 0 : 1;
}

/** `/etc/passwd · follow links yes`: the first by its value alone. */
export function sayShort(said: Said[]): string {
  return said
    .map((each, index) => (index === 0 ? each.value : `${each.label.toLowerCase()} ${each.value}`))
    .join(" · ");
}

/** `web-1`, `web-1, db-1`, `web-1 and 11 more`. */
export function sayTargets(task: Pick<Task, "target_count" | "targets">): string {
  const names = task.targets.map((target) => target.name);
  const rest = task.target_count - names.length;
  if (names.length === 0) return count(task.target_count, "endpoint");
  return rest > 0
    ? `${names.slice(0, 2).join(", ")} and ${String(rest + Math.max(0, names.length - 2))} more`
    : names.join(", ");
}

/** Where a task was asked for. */
export function sayFrom(from: string, isShort = false): string {
  const [program, place] = from.split("/");
  const name = { api: "API", cli: isShort ? "CLI" : "the command line", console: "console", timer: "timer" }[
    program ?? ""
  ];
  return place === undefined ? (name ?? from) : `${name ?? program ?? ""}, ${words(place)}`;
}

export function isEnded(state: string): boolean {
  return !["pending_approval", "queued", "dispatched", "running", "verifying"].includes(state);
}

/** How bad a state is: what a person should see first stands first. */
const WORST = [
  "failed",
  "indeterminate",
  "refused",
  "expired",
  "rejected",
  "canceled",
  "running",
  "verifying",
  "dispatched",
  "queued",
  "pending_approval",
  "succeeded",
];

/** For sorting: the worst state first. */
export function byWorst(one: string, other: string): number {
  return place(one) - place(other);
}

function place(state: string): number {
  const at = WORST.indexOf(state);
  return at < 0 ? WORST.length : at;
}

const today = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const other = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** A moment by the clock, in the viewer's zone: `19:10`, `23 Nov, 19:10`. */
export function clock(at: string, now: number): string {
  const date = new Date(at);
  return (date.toDateString() === new Date(now).toDateString() ? today : other).format(date);
}
