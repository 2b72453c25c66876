/// JSON Schema (2020-12) as the catalogue writes it: the part of it that a form can draw.

/** Any value of JSON. */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

export type Schema = {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: Json;
  const?: Json;
  enum?: Json[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  pattern?: string;
  format?: string;
  /** The API has a list of what may stand here: `script`. */
  "x-quell-reference"?: string;
  /** Rarely needed: folded away. */
  "x-quell-fold"?: boolean;
  /** The order in which people are asked. */
  "x-quell-order"?: string[];
};

/** Words that are written in their own way. */
const SPELLED: Record<string, string> = {
  id: "ID",
  pid: "Process ID",
  sha1: "SHA-1",
  sha256: "SHA-256",
  md5: "MD5",
  ip: "IP",
  ips: "IPs",
  url: "URL",
  urls: "URLs",
  uri: "URI",
  dns: "DNS",
  smtp: "SMTP",
  tls: "TLS",
  cidr: "CIDR",
  pcap: "PCAP",
  uid: "UID",
  os: "OS",
  sql: "SQL",
  cpu: "CPU",
  mib: "MiB",
  clamav: "ClamAV",
};

const UNIT = /_(seconds|minutes|hours|days|bytes)$/;

/** `time_limit_seconds` as `Time limit`: what it counts stands beside it. `max_bytes` says nothing without it. */
export function labelOf(name: string): string {
  const short = name.replace(UNIT, "");
  const words = (/^(max|min|limit)$/.test(short) ? name : short).split("_");
  const text = words.map((word) => SPELLED[word] ?? word).join(" ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A label inside a sentence: `Process ID` as `process ID`, `SHA-1` and `ClamAV` as they are. */
export function inSentence(label: string): string {
  return /^[A-Z][a-z]*(?![A-Za-z-])/.test(label) ? label.charAt(0).toLowerCase() + label.slice(1) : label;
}

/** What a number counts, by its name: `seconds`, `bytes`. */
export function unitOf(name: string): string | undefined {
  return /(?:^|_)(seconds|minutes|hours|days|bytes)$/.exec(name)?.[1];
}

/** Whether two values of JSON are the same, whatever the order of names. */
export function same(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const [left, right] = [Object.entries(one), new Map(Object.entries(other))];
  return left.length === right.size && left.every(([name, value]) => right.has(name) && same(value, right.get(name)));
}

/** The object without some of its names. */
export function omit<T extends object>(object: T, ...names: string[]): Partial<T> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name))) as Partial<T>;
}

/** The schema without the choice of `null`, and whether `null` may stand there. */
export function unwrapped(schema: Schema): { schema: Schema; isNullable: boolean } {
  const isNull = (each: Schema): boolean => each.type === "null" || each.const === null;
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives?.some(isNull)) {
    const rest = alternatives.filter((each) => !isNull(each));
    const outer = omit(schema, "anyOf", "oneOf");
    const [only] = rest;
    const inner = rest.length === 1 && only !== undefined ? only : { oneOf: rest };
    // What is said of the field goes before what is said of its type.
    return { schema: { ...inner, ...outer }, isNullable: true };
  }
  if (Array.isArray(schema.type)) {
    const kinds = schema.type.filter((kind) => kind !== "null");
    const [only] = kinds;
    const type = kinds.length === 1 && only !== undefined ? only : kinds;
    return { schema: { ...schema, type }, isNullable: kinds.length < schema.type.length };
  }
  return { schema, isNullable: false };
}
