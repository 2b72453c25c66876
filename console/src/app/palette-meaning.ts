/// What somebody means who types `isolate web-1` or `collect /var/log/auth.log from web-1`: pure, over the catalogue.

import type { Schemas } from "../api/client";
import type { Field } from "../form/fields";
import type { Json } from "../form/schema";

type Action = Pick<Schemas["Action"], "id" | "title">;

/** An action, and what was said with it. */
export type Meaning = {
  action: string;
  /** Said of how: a path, a script, a digest. */
  what: string;
  /** Said of on what, each word by itself. */
  targets: string[];
  /** How much of the action's name was typed; the more the better. */
  score: number;
};

/** Other words for what actions do; whichever the catalogue has counts. */
const ALSO: Record<string, string[]> = {
  kill: ["terminate", "end", "stop"],
  stop: ["terminate", "end", "disable"],
  end: ["terminate"],
  get: ["collect"],
  fetch: ["collect"],
  grab: ["collect"],
  contain: ["isolate"],
  cut: ["isolate"],
  unisolate: ["restore"],
  release: ["restore"],
  exec: ["run"],
  execute: ["run"],
};

const BETWEEN = new Set(["on", "from", "at", "of", "in", "for"]);
const FILLING = new Set(["the", "and"]);

function wordsOf(action: Action): string[] {
  const all = [...action.id.split(/[._]/), ...action.title.toLowerCase().split(/\s+/)];
  return [...new Set(all)];
}

/** The words that an action begins with: `run` of `endpoint.run_script` and of its title. */
function verbsOf(action: Action): string[] {
  const verb = action.id.split(".")[1]?.split("_")[0] ?? "";
  return [...new Set([verb, action.title.toLowerCase().split(/\s+/)[0] ?? ""])].filter(Boolean);
}

/** Splits at blanks; what stands between quotation marks is one word. */
export function split(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"?|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "").filter(Boolean);
}

/** What `text` can mean, the likeliest first. Nothing where it names no action. */
export function meanings(text: string, actions: Action[]): Meaning[] {
  const said = split(text);
  const first = said[0]?.toLowerCase() ?? "";
  if (first.length < 2) return [];
  return actions
    .flatMap((action) => {
      const matched = match(action, first);
      return matched === 0 ? [] : [meaning(action, said, matched)];
    })
    .sort((one, other) => other.score - one.score);
}

function match(action: Action, first: string): number {
  if (action.id === first) return 100;
  const verbs = verbsOf(action);
  if (verbs.includes(first)) return 50;
  if (verbs.some((verb) => verb.startsWith(first))) return 10 + first.length;
  return ALSO[first]?.some((verb) => verbs.includes(verb)) ? 8 : 0;
}

function meaning(action: Action, said: string[], score: number): Meaning {
  const own = new Set(wordsOf(action));
  let rest = said.slice(1);
  let more = 0;
  // `run remote script triage`: words of the name are no names of things, while others follow.
  while (rest.length > 1 && own.has(rest[0]?.toLowerCase() ?? "")) {
    rest = rest.slice(1);
    more += 1;
  }
  // Nothing but the name was typed.
  if (rest.length === 1 && own.has(rest[0]?.toLowerCase() ?? "")) rest = [];
  const at = rest.findLastIndex((word) => BETWEEN.has(word.toLowerCase()));
  const before = at < 0 ? rest : rest.slice(0, at);
  const after = at < 0 ? [] : rest.slice(at + 1);
  return { action: action.id, what: before.join(" "), targets: names(after), score: score + more };
}

function names(said: string[]): string[] {
  return said.flatMap((word) => word.split(",")).filter((word) => word !== "" && !FILLING.has(word.toLowerCase()));
}

/** The parameter that `text` is the value of, by its form; nothing where the action has none for it. */
export function paramsFor(fields: Field[], text: string): { [name: string]: Json } | undefined {
  if (text === "") return undefined;
  const named = (name: string): Field | undefined => fields.find((field) => field.name === name);
  const digest = /^[0-9a-f]+$/i.test(text) ? { 32: "md5", 40: "sha1", 64: "sha256" }[text.length] : undefined;
  if (digest !== undefined && named(digest)) return { [digest]: text.toLowerCase() };
  if (/^(\/|[a-z]:\\|\\\\)/i.test(text) && named("path")) return { path: text };
  if (/^\d+$/.test(text) && named("pid")) return { pid: Number(text) };
  const main =
    fields.find((field) => field.kind === "text" && field.reference !== undefined) ??
    fields.find((field) => field.kind === "text" && field.isRequired);
  return main === undefined ? undefined : { [main.name]: text };
}

/** With its parameters known, what was said without `on` is told apart: parameter, targets, or one after the other. */
export function settled(meaning: Meaning, fields: Field[]): { params: { [name: string]: Json }; targets: string[] } {
  const { what, targets } = meaning;
  if (targets.length > 0) return { params: paramsFor(fields, what) ?? {}, targets };
  const whole = paramsFor(fields, what);
  const [first = "", ...others] = split(what);
  if (whole === undefined) return { params: {}, targets: names(split(what)) };
  if (others.length === 0) return { params: whole, targets: [] };
  return { params: paramsFor(fields, first) ?? {}, targets: names(others) };
}
