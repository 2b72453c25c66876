/// What is recorded, detected and prevented, told in words, so that two of it can be compared.

import type { Schemas } from "../../../api/client";
import { linesBetween, type Line } from "../../../ui/draft/lines";
import { bytes, clip, longWords } from "../../../ui/text";

type Stored = Schemas["ProtectionSettings"];
export type Rule = Schemas["RuleInForce"];
export type Mode = "off" | "detect" | "prevent";
export type Source = keyof Stored["modes"];
/** Whose rules come in sets of the library, and of which kind those are. */
export type Ruled = "behaviour" | "yara";

export type Exclusion = { rule?: string; path?: string; sha256?: string; uid?: number; note: string };
export type Settings = Omit<Stored, "behaviour" | "yara" | "exclusions"> & {
  behaviour: { built_in: boolean; rules: string[]; disabled: string[] };
  yara: { rules: string[] };
  exclusions: Exclusion[];
};

export const SOURCES: { source: Source; title: string; about: string; modes: Mode[] }[] = [
  {
    source: "block_list",
    title: "Block list",
    about: "Whether what it stops becomes a detection. What is listed is blocked either way, where it says so itself.",
    // An object says itself whether it blocks: to prevent would say nothing more.
    modes: ["off", "detect"],
  },
  {
    source: "behaviour",
    title: "Behaviour rules",
    about: "Sigma rules for what the recorder sees: processes, files, connections, names, logins.",
    modes: ["off", "detect", "prevent"],
  },
  {
    source: "yara",
    title: "YARA rules",
    about: "Looked for in what is started, and in programs that are written.",
    modes: ["off", "detect", "prevent"],
  },
];

export const KIND_OF: Record<Ruled, "sigma" | "yara"> = { behaviour: "sigma", yara: "yara" };

/** Settings with everything that may be left out, in one form. */
export function whole(stored: Stored): Settings {
  return {
    ...stored,
    behaviour: {
      built_in: stored.behaviour.built_in,
      rules: stored.behaviour.rules ?? [],
      disabled: stored.behaviour.disabled ?? [],
    },
    yara: { rules: stored.yara.rules ?? [] },
    exclusions: (stored.exclusions ?? []).map(({ rule, path, sha256, uid, note }) => ({
      ...(rule == null ? {} : { rule }),
      ...(path == null ? {} : { path }),
      ...(sha256 == null ? {} : { sha256 }),
      ...(uid == null ? {} : { uid }),
      note: note ?? "",
    })),
  };
}

/** The name of a set without its version. */
export function nameOf(set: string): string {
  return set.split("@", 1)[0] ?? set;
}

/** With these rules in force, or disabled. */
export function enabled(settings: Settings, ids: readonly string[], is: boolean): Settings {
  const rest = settings.behaviour.disabled.filter((id) => !ids.includes(id));
  const disabled = is ? rest : [...rest, ...ids].sort();
  return { ...settings, behaviour: { ...settings.behaviour, disabled } };
}

/** With a set in place of the one of the same name, or after all others. */
export function withSet(settings: Settings, source: Ruled, set: string): Settings {
  const { rules } = settings[source];
  const isThere = rules.some((each) => nameOf(each) === nameOf(set));
  const next = isThere ? rules.map((each) => (nameOf(each) === nameOf(set) ? set : each)) : [...rules, set];
  return withSets(settings, source, next);
}

export function withSets(settings: Settings, source: Ruled, rules: string[]): Settings {
  return source === "yara"
    ? { ...settings, yara: { rules } }
    : { ...settings, behaviour: { ...settings.behaviour, rules } };
}

function setWords(set: string): string {
  return set.includes("@") || set.startsWith("sha256:") ? set : `${set}, its newest version`;
}

/** What a rule is called by its id. */
export type Titles = (id: string) => string;

/** What is not looked at; all of it must hold. */
export function exclusionWords(exclusion: Exclusion, titles: Titles): string[] {
  const { rule, path, sha256, uid } = exclusion;
  return [
    ...(path === undefined ? [] : [path.endsWith("/") ? `everything below ${path}` : path]),
    ...(sha256 === undefined ? [] : [`the SHA-256 ${clip(sha256, 17)}`]),
    ...(uid === undefined ? [] : [`processes of the user ${String(uid)}`]),
    ...(rule === undefined ? [] : [`by the rule “${titles(rule)}” alone`]),
  ];
}

/** One fact a line; what stands in both of two settings is the same in both. */
export function describe(settings: Settings, titles: Titles): string[] {
  const { behaviour, yara, modes } = settings;
  return [
    settings.record ? "Activity is recorded" : "Nothing is recorded",
    `On each endpoint's disk: ${bytes(settings.ring_bytes)} at most`,
    `Activity is forgotten after ${longWords(settings.ring_age_seconds)}`,
    ...SOURCES.map(({ source, title }) => `${title}: ${modeWords(modes[source])}`),
    `Prevented from severity ${settings.prevent_from} on`,
    `Rules that come with Quell: ${behaviour.built_in ? "in force" : "not in force"}`,
    ...behaviour.rules.map((set) => `Behaviour rules of the library: ${setWords(set)}`),
    ...yara.rules.map((set) => `YARA rules of the library: ${setWords(set)}`),
    ...behaviour.disabled.map((id) => `Disabled: ${titles(id)}`),
    ...settings.exclusions.map(
      (each) =>
        `Not looked at: ${exclusionWords(each, titles).join(", ")}${each.note === "" ? "" : ` (${clip(each.note, 80)})`}`,
    ),
  ];
}

/** `detect`, and `off` in words. */
export function modeWords(mode: string): string {
  return { off: "off", detect: "detected", prevent: "prevented" }[mode] ?? mode;
}

/** What changes between two settings. */
export function changes(before: Settings, after: Settings, titles: Titles): Line[] {
  return linesBetween(describe(before, titles), describe(after, titles));
}

/** What is missing of an exclusion before the server would take it. */
export function whyNoExclusion({ rule, path, sha256 }: Omit<Exclusion, "note">): string | undefined {
  if (rule === undefined && path === undefined && sha256 === undefined)
    return "Name a path, a SHA-256 or a rule: a user alone would exclude everything that they do.";
  if (path !== undefined && (!path.startsWith("/") || path === "/"))
    return "A path begins with “/”, and names more than that.";
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256)) return "A SHA-256 has 64 hexadecimal digits.";
  return undefined;
}
