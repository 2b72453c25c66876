/// Incidents in words: how bad, how they stand, what a process did.

import { count, words } from "../../ui/text";

/** From the worst to the least. */
export const SEVERITIES = ["critical", "high", "medium", "low", "informational"] as const;
export const STATES = ["open", "in_progress", "closed"] as const;
export const VERDICTS = ["detected", "prevented", "not_prevented"] as const;

/** What a closed incident turned out to be. */
export const RESOLUTIONS = [
  { value: "true_positive", label: "True positive", about: "An attack, or what was meant as one." },
  { value: "false_positive", label: "False positive", about: "The rule was wrong: nothing of the kind happened." },
  { value: "benign", label: "Benign", about: "It happened as detected, and was allowed." },
  { value: "duplicate", label: "Duplicate", about: "Another incident tells the same." },
] as const;

export const KINDS = [
  "start",
  "file_create",
  "file_write",
  "file_rename",
  "connect",
  "listen",
  "dns",
  "login",
] as const;

const KIND_WORDS: Readonly<Record<string, string>> = {
  start: "Starting a process",
  file_create: "File creation",
  file_write: "File write",
  file_rename: "File rename",
  connect: "Connection",
  listen: "Listening",
  dns: "DNS question",
  login: "Login",
};

/** `Starting a process`, `File creation`. */
export function kindWords(kind: string): string {
  return KIND_WORDS[kind] ?? words(kind);
}

const SOURCES: Readonly<Record<string, string>> = {
  block_list: "block list",
  yara: "YARA rule",
  behaviour: "behaviour rule",
  asked: "asked for",
};

/** What found it: ours in words, another product by its name. */
export function sourceWords(source: string): string {
  return SOURCES[source] ?? source;
}

/** For sorting: 0 is the worst. */
export function rank(severity: string | null | undefined): number {
  const at = SEVERITIES.findIndex((each) => each === severity);
  return at < 0 ? SEVERITIES.length : at;
}

/** `in progress`, `closed: true positive`. */
export function stateWords(incident: { state: string; resolution?: string | null | undefined }): string {
  return incident.resolution ? `${words(incident.state)}: ${words(incident.resolution)}` : words(incident.state);
}

/** The last part of a path; all of it where there is none. */
export function base(path: string | null | undefined): string {
  if (path === null || path === undefined) return "";
  return path.split("/").findLast((part) => part !== "") ?? path;
}

/** What a process is called: by its program, else by its number. */
export function processName(process: { pid: number; image?: { path: string } | null; path?: string | null }): string {
  const name = base(process.image?.path ?? process.path);
  return name === "" ? `process ${String(process.pid)}` : name;
}

/** How a process ended. */
export function exitWords(
  exit: { code?: number | null; signal?: number | null } | null | undefined,
): string | undefined {
  if (exit === null || exit === undefined) return undefined;
  if (typeof exit.signal === "number") return `ended by signal ${String(exit.signal)}`;
  return typeof exit.code === "number" ? `exit code ${String(exit.code)}` : undefined;
}

/** What a chain lacks, a sentence each; nothing where it lacks nothing. */
export function gapsOf(gaps: {
  lost: number;
  processes_beyond: number;
  activities_beyond: number;
  dropped: number;
  begins_late: boolean;
}): string[] {
  return [
    gaps.begins_late ? "It begins late: what was before is older than what the endpoint keeps." : "",
    gaps.lost > 0
      ? `${count(gaps.lost, "event was", "events were")} lost: more happened on the endpoint than could be taken in.`
      : "",
    gaps.processes_beyond > 0
      ? `${count(gaps.processes_beyond, "process", "processes")} left out on the endpoint: beyond the limit of a chain.`
      : "",
    gaps.activities_beyond > 0
      ? `${count(gaps.activities_beyond, "activity event")} left out on the endpoint: beyond the limit of a chain.`
      : "",
    gaps.dropped > 0 ? `${count(gaps.dropped, "row")} left out by the server: beyond the limits of a chain.` : "",
  ].filter((text) => text !== "");
}

/** Files that nobody could look at, and that are no loss of the recorder's; nothing where there are none. */
export function vanishedWords(number: number): string | undefined {
  if (number === 0) return undefined;
  return `${count(number, "file")} of the endpoint came and went with their directory meanwhile: nobody could look at them.`;
}

const clockOfDay = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** `14:03:22.117`, in the viewer's zone. */
export function clockWords(at: string): string {
  const moment = Date.parse(at);
  return Number.isNaN(moment) ? "–" : clockOfDay.format(moment);
}

/** `23 Nov`. */
export function dayWords(at: string): string {
  const moment = Date.parse(at);
  return Number.isNaN(moment) ? "–" : day.format(moment);
}

/** A reason without the numbers of events, where these stand beside it as links. */
export function withoutEvents(text: string): string {
  return text.replaceAll(/ \(events? \d[\d, ]*\)/g, "");
}

/** With a full stop, and begun as it is: a reason may begin with a name. */
export function stopped(text: string): string {
  const trimmed = text.trim();
  return trimmed === "" || /[.!?…]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
