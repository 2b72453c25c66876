/// The isolation of an endpoint, as the API has it.

/** By which task and command, since when. */
export type Isolation = { task: string | undefined; command: string | undefined; since: string | undefined };

/** Reads what stands in `isolation`; `undefined` where the endpoint is not isolated. */
export function isolationOf(value: unknown): Isolation | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { task, command, since } = value as Record<string, unknown>;
  return {
    task: typeof task === "string" ? task : undefined,
    command: typeof command === "string" ? command : undefined,
    // Microseconds since 1970, or a time as everywhere else.
    since:
      typeof since === "number" ? new Date(since / 1000).toISOString() : typeof since === "string" ? since : undefined,
  };
}
