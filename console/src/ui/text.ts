/// Names from endpoints, files and vendors, made inert: what a reader sees is what is there.

// Controls, and everything that turns the direction of text or shows nothing (UTS 39, UAX 9): also variation selectors,
// soft hyphens, fillers, and the blank of Braille. Built from code points so that this file itself stays readable.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;
const HIDDEN_IN_LINES =
  /(?![\n\t])[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;

function named(character: string): string {
  return `⟨${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

/** One line, with what cannot be seen named by its code point: `evil⟨202E⟩gpj.exe`. */
export function inert(text: string): string {
  return text.replace(HIDDEN, named);
}

/** The same for text of several lines. */
export function inertLines(text: string): string {
  return text.replace(HIDDEN_IN_LINES, named);
}

// Scripts that are written together with Latin every day, and look like nothing in it.
const BESIDE_LATIN =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Hangul}\p{Script=Common}\p{Script=Inherited}]/u;
const SCRIPTS: [string, RegExp][] = [
  ["Latin", /\p{Script=Latin}/u],
  ["Cyrillic", /\p{Script=Cyrillic}/u],
  ["Greek", /\p{Script=Greek}/u],
  ["Armenian", /\p{Script=Armenian}/u],
  ["Cherokee", /\p{Script=Cherokee}/u],
  ["Coptic", /\p{Script=Coptic}/u],
];

/** The scripts that a word of `text` mixes so that one can pass for another, `Latin, Cyrillic`; nothing where none does. */
export function mixed(text: string): string | undefined {
  // Most names are ASCII.
  if (!/[^ -~]/.test(text)) return undefined;
  for (const word of text.slice(0, 4096).split(/[\s/\\:;,|]+/)) {
    const letters = word.match(/\p{L}/gu) ?? [];
    const scripts = new Set(
      letters
        .filter((letter) => !BESIDE_LATIN.test(letter))
        .map((letter) => SCRIPTS.find(([, script]) => script.test(letter))?.[0] ?? "another"),
    );
    if (scripts.size > 1) return [...scripts].join(", ");
  }
  return undefined;
}

/** Whether a keyboard can write `name` as it is shown: one short line of ASCII. */
export function isPlain(name: string): boolean {
  return name.length <= 48 && /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/.test(name);
}

/** What is typed to confirm that a thing is meant: its name, or the end of its id, which differs where the name deceives. */
export function toType(name: string, id: string): { what: "name" | "id"; text: string } {
  return isPlain(name) ? { what: "name", text: name } : { what: "id", text: id.slice(-8) };
}

/** `text` of at most `length` characters, the middle left out. */
export function clip(text: string, length: number): string {
  if (text.length <= length) return text;
  const kept = Math.floor((length - 1) / 2);
  return `${text.slice(0, kept)}…${text.slice(text.length - kept)}`;
}

/** `endpoint.run_script` as words. */
export function words(name: string): string {
  return name.replaceAll(/[._]/g, " ");
}

/** Bytes for people. */
export function bytes(count: number): string {
  if (count < 1024) return `${String(count)} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = "B";
  for (const next of units) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}

/** A number of things, `1 endpoint`, `2 endpoints`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** `30 minutes`, `1 day`, `90 minutes`. */
export function longWords(seconds: number): string {
  for (const [one, size] of [
    ["day", 86_400],
    ["hour", 3600],
    ["minute", 60],
  ] as const)
    if (seconds % size === 0) return count(seconds / size, one);
  return count(seconds, "second");
}
