/// The same request for a terminal: a line for `quell`, a line for `curl`.

import { isNothing, isRecord, type Schema } from "./schema";
import { MASKED, type Task } from "./words";

/** `text` as one word of a POSIX shell. */
export function quoted(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The parameters that were given: not those at their default, not those that are hidden. */
export function givenParams(schema: Schema | undefined, params: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(params).filter(([name, value]) => {
      const initial = schema?.properties?.[name]?.default;
      const isDefault = initial !== undefined && JSON.stringify(initial) === JSON.stringify(value);
      return !isNothing(value) && !isDefault && value !== MASKED;
    }),
  );
}

/** Whether something of the request is hidden, so that a repeat cannot be the same. */
export function isHidden(params: Record<string, unknown>): boolean {
  return Object.values(params).includes(MASKED);
}

type Request = { task: Pick<Task, "action" | "reason">; endpoints: string[]; params: Record<string, unknown> };

export function asCli({ task, endpoints, params }: Request): string {
  const flags = Object.entries(params).flatMap(([name, value]) => flag(`--${name.replaceAll("_", "-")}`, value));
  const words = [
    "quell act",
    ...task.action.split(".").map((word) => word.replaceAll("_", "-")),
    ...endpoints.map((endpoint) => `--endpoint ${quoted(endpoint)}`),
    ...flags,
    `--reason ${quoted(task.reason)}`,
    "--wait",
  ];
  return words.join(" ");
}

function flag(name: string, value: unknown): string[] {
  if (value === true) return [name];
  if (Array.isArray(value)) return value.flatMap((each) => flag(name, each));
  if (isRecord(value)) {
    const pairs = Object.entries(value).filter(([, each]) => !isNothing(each));
    return [`${name} ${quoted(pairs.map(([key, each]) => `${key}=${String(each)}`).join(","))}`];
  }
  return [`${name} ${quoted(String(value))}`];
}

export function asCurl({ task, endpoints, params }: Request, origin: string): string {
  const body = { action: task.action, targets: { endpoints }, params, reason: task.reason };
  return [
    `curl -sS ${quoted(`${origin}/api/v1/tasks`)}`,
    `-H "Authorization: Bearer $QUELL_API_KEY"`,
    `-H 'Content-Type: application/json'`,
    `-H "Idempotency-Key: $(uuidgen)"`,
    `--data ${quoted(JSON.stringify(body))}`,
  ].join(" \\\n  ");
}
