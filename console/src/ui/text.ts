/// Names from endpoints, files and vendors, made inert: what a reader sees is what is there.

// Controls, and everything that turns the direction of text or shows nothing (UTS 39, UAX 9), built from code points so
// that this file itself stays readable.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0]/gu;
const HIDDEN_IN_LINES = /(?![\n\t])[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0]/gu;

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
