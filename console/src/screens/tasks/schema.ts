/// What this console reads of a JSON Schema (2020-12), as the catalogue writes it.

import { words } from "../../ui/text";

export type Schema = {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  format?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  const?: unknown;
  "x-quell-reference"?: string;
};

/** The schema of what is there, where `null` is allowed too. */
export function present(schema: Schema | undefined): Schema | undefined {
  const branches = schema?.anyOf;
  if (branches === undefined) return schema;
  const chosen = branches.find((branch) => branch.type !== "null");
  return chosen === undefined
    ? schema
    : { ...chosen, ...(schema?.description ? { description: schema.description } : {}) };
}

/** `sockets_destroyed` as `Sockets destroyed`; known abbreviations stay as they are written. */
export function label(name: string): string {
  const plain = words(name.replace(/_(ms|us|seconds|minutes|bytes)$/, ""))
    .replace(/\bsha(\d+)\b/g, "SHA-$1")
    .replace(/\b(pid|uid|gid|id|sql|url|dns)\b/g, (word) => word.toUpperCase());
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether there is nothing to show: absent, or empty in its kind. */
export function isNothing(value: unknown): boolean {
  return (
    value === null ||
    value === undefined ||
    value === "" ||
    (Array.isArray(value) && value.length === 0) ||
    (isRecord(value) && Object.keys(value).length === 0)
  );
}

/** `object` without what is `undefined` or empty: a query of the API. */
export function given<T extends object>(object: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(object).filter((pair) => pair[1] !== undefined && pair[1] !== "")) as {
    [Name in keyof T]?: Exclude<T[Name], undefined>;
  };
}
