/// What was typed, as the API wants it, and back: what is left as it was is not sent.

import type { Field, LinesField, NumberField, TextField } from "./fields";
import { same, type Json } from "./schema";

/** What stands in the form: text as it was typed, lists of plain values as lines. */
export type Value = string | number | boolean | null | Value[] | Values;
export type Values = { [name: string]: Value };

function isObject(value: unknown): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The form as it stands when nobody has typed, or with `params` in it. */
export function valuesOf(fields: Field[], params: { [name: string]: Json } = {}): Values {
  return Object.fromEntries(fields.map((field) => [field.name, valueOf(field, params[field.name] ?? field.initial)]));
}

function valueOf(field: Field, json: Json | undefined): Value {
  switch (field.kind) {
    case "text":
      return typeof json === "string" ? json : "";
    case "number":
      return typeof json === "number" ? json : "";
    case "flag":
      return json === true;
    case "choice":
      return typeof json === "string" ? json : null;
    case "lines":
      return Array.isArray(json) ? json.map(String).join("\n") : "";
    case "picks":
      return Array.isArray(json) ? json.filter((each) => typeof each === "string") : [];
    case "rows":
      return Array.isArray(json) ? json.filter(isObject).map((each) => valuesOf(field.fields, each)) : [];
    case "group":
      return valuesOf(field.fields, isObject(json) ? json : {});
    case "variant": {
      const tag = isObject(json) ? json[field.tag] : undefined;
      const variant = field.variants.find((each) => each.value === tag);
      if (variant === undefined) return { [field.tag]: null };
      return { ...valuesOf(variant.fields, json as { [name: string]: Json }), [field.tag]: variant.value };
    }
    case "json":
      return json === undefined || json === null ? "" : JSON.stringify(json, null, 2);
  }
}

/** The lines of a list, without those in which nothing stands. */
export function linesOf(text: Value | undefined): string[] {
  return typeof text === "string" ? text.split(/\r?\n/).filter((line) => line.trim() !== "") : [];
}

/** What is sent: without what was left empty, and without what holds anyway. */
export function paramsOf(fields: Field[], values: Values): { [name: string]: Json } {
  const params: { [name: string]: Json } = {};
  for (const field of fields) {
    const json = jsonOf(field, values[field.name]);
    if (json === undefined || (!field.isRequired && same(json, field.initial))) continue;
    // Where nothing holds by itself, a flag that is off and a list without items say nothing.
    // An empty list of what is required is not sent either: the answer names the field then, and not its length.
    const isUntouched = field.isRequired ? Array.isArray(json) && json.length === 0 : isNothing(json);
    if (field.initial === undefined && isUntouched) continue;
    params[field.name] = json;
  }
  return params;
}

function isNothing(json: Json): boolean {
  return json === false || (typeof json === "object" && json !== null && Object.keys(json).length === 0);
}

function jsonOf(field: Field, value: Value | undefined): Json | undefined {
  switch (field.kind) {
    case "text":
      return typeof value === "string" && value !== "" ? value : undefined;
    case "number":
      return numberOf(value);
    case "flag":
      return value === true;
    case "choice":
      return typeof value === "string" && value !== "" ? value : undefined;
    case "lines":
      return linesOf(value).map((line) => (field.item.kind === "number" ? (numberOf(line.trim()) ?? line) : line));
    case "picks":
      return Array.isArray(value) ? value.map(String) : [];
    case "rows":
      return Array.isArray(value) ? value.map((row) => paramsOf(field.fields, row as Values)) : [];
    case "group": {
      const inner = paramsOf(field.fields, (value ?? {}) as Values);
      return field.isRequired || Object.keys(inner).length > 0 ? inner : undefined;
    }
    case "variant": {
      const values = (value ?? {}) as Values;
      const variant = field.variants.find((each) => each.value === values[field.tag]);
      return variant && { [field.tag]: variant.value, ...paramsOf(variant.fields, values) };
    }
    case "json":
      try {
        return typeof value === "string" && value.trim() !== "" ? (JSON.parse(value) as Json) : undefined;
      } catch {
        return undefined;
      }
  }
}

function numberOf(value: Value | undefined): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || value.trim() === "") return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

/** What is wrong, by the dotted path that the server would name too: `allow[0].network`. */
export function problemsOf(fields: Field[], values: Values, at = ""): Map<string, string> {
  const problems = new Map<string, string>();
  for (const field of fields) {
    const path = at === "" ? field.name : `${at}.${field.name}`;
    const problem = own(field, values[field.name]);
    if (problem !== undefined) problems.set(path, problem);
    for (const [inner, text] of within(field, values[field.name], path)) problems.set(inner, text);
  }
  return problems;
}

function within(field: Field, value: Value | undefined, path: string): Map<string, string> {
  const all = new Map<string, string>();
  const add = (more: Map<string, string>): void => {
    for (const [inner, text] of more) all.set(inner, text);
  };
  if (field.kind === "group") {
    const inner = (value ?? {}) as Values;
    if (field.isRequired || Object.keys(paramsOf(field.fields, inner)).length > 0) {
      add(problemsOf(field.fields, inner, path));
    }
  }
  if (field.kind === "rows" && Array.isArray(value)) {
    value.forEach((row, index) => {
      add(problemsOf(field.fields, row as Values, `${path}[${String(index)}]`));
    });
  }
  if (field.kind === "variant") {
    const values = (value ?? {}) as Values;
    const variant = field.variants.find((each) => each.value === values[field.tag]);
    if (variant) add(problemsOf(variant.fields, values, path));
  }
  if (field.kind === "lines") {
    linesOf(value).forEach((line, index) => {
      const problem = plain(field.item, field.item.kind === "number" ? line.trim() : line);
      if (problem !== undefined) all.set(`${path}[${String(index)}]`, problem);
    });
  }
  return all;
}

/** Said of what is missing, rather than wrong. */
export const NEEDED = "This is needed.";

function own(field: Field, value: Value | undefined): string | undefined {
  switch (field.kind) {
    case "text":
    case "number":
      return plain(field, value);
    case "choice":
      return field.isRequired && (value === null || value === "" || value === undefined) ? NEEDED : undefined;
    case "lines":
      return counted(field, linesOf(value).length);
    case "picks":
    case "rows":
      return counted(field, Array.isArray(value) ? value.length : 0);
    case "variant": {
      const tag = ((value ?? {}) as Values)[field.tag];
      return field.isRequired && typeof tag !== "string" ? NEEDED : undefined;
    }
    case "json":
      return jsonProblem(field, value);
    case "flag":
    case "group":
      return undefined;
  }
}

function jsonProblem(field: Field, value: Value | undefined): string | undefined {
  if (typeof value !== "string" || value.trim() === "") return field.isRequired ? NEEDED : undefined;
  try {
    JSON.parse(value);
    return undefined;
  } catch (error) {
    return `This is not JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function counted(
  field: Pick<LinesField, "least" | "most" | "isRequired" | "initial">,
  size: number,
): string | undefined {
  // None at all is the same as not said, where that is allowed.
  if (size === 0 && !field.isRequired && field.initial === undefined) return undefined;
  if (size === 0 && field.isRequired) return NEEDED;
  const least = field.least ?? 0;
  if (size < least) return least === 1 ? "At least one is needed." : `At least ${String(least)} are needed.`;
  if (field.most !== undefined && size > field.most) {
    return `There are ${String(size)}; at most ${String(field.most)} are taken.`;
  }
  return undefined;
}

function plain(field: TextField | NumberField, value: Value | undefined): string | undefined {
  if (value === undefined || value === null || value === "") return field.isRequired ? NEEDED : undefined;
  return field.kind === "number" ? numeric(field, value) : textual(field, String(value));
}

function numeric(field: NumberField, value: Value): string | undefined {
  const number = numberOf(value);
  if (number === undefined) return "This is not a number.";
  if (field.isInteger && !Number.isInteger(number)) return "This is not a whole number.";
  if (field.isInteger && !Number.isSafeInteger(number)) return "This is too large.";
  if (field.min !== undefined && number < field.min) return `At least ${field.min.toLocaleString("en")}.`;
  if (field.max !== undefined && number > field.max) return `At most ${field.max.toLocaleString("en")}.`;
  return undefined;
}

function textual(field: TextField, text: string): string | undefined {
  // Schemas count code points.
  const length = [...text].length;
  if (field.min !== undefined && length < field.min) return `At least ${String(field.min)} characters.`;
  if (field.max !== undefined && length > field.max) {
    return `This is ${length.toLocaleString("en")} characters long; at most ${String(field.max)} are taken.`;
  }
  if (field.pattern !== undefined && !matches(field.pattern, text)) return `This does not match ${field.pattern}`;
  return undefined;
}

function matches(pattern: string, text: string): boolean {
  try {
    return new RegExp(pattern, "u").test(text);
  } catch {
    // A pattern of another dialect: the server looks.
    return true;
  }
}
