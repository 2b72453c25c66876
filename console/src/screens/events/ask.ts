/// What an endpoint's agent is asked to look for, out of what another product told of it.

import type { Detection } from "../incidents/types";

/** Milliseconds before and after the event in which it is looked for: clocks differ, and products tell late. */
const BEFORE = 3_600_000;
const AFTER = 600_000;
const NOTE = 200;

/** Parameters of `endpoint.collect_chain`: it takes one way to name what is meant. Without any, the person names it. */
export function chainParams(
  event: Pick<Detection, "at" | "path" | "path_hex" | "sha256" | "title">,
): Record<string, unknown> {
  const at = Date.parse(event.at);
  const named =
    event.path_hex !== undefined
      ? { path_hex: event.path_hex }
      : event.path != null
        ? { path: event.path }
        : event.sha256 != null
          ? { sha256: event.sha256 }
          : {};
  const note = event.title.replaceAll(/\p{C}/gu, " ").trim().slice(0, NOTE);
  return {
    ...named,
    ...(Number.isNaN(at) ? {} : { from_us: (at - BEFORE) * 1000, until_us: (at + AFTER) * 1000 }),
    ...(note === "" ? {} : { note }),
  };
}
