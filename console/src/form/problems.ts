/// What is wrong with a form, whoever found it: the form itself, or the server.

import type { ApiError } from "../api/problem";

/** What is wrong at a path, and at it or below it. */
export type Problems = {
  at: (path: string) => string | undefined;
  under: (path: string) => [path: string, problem: string][];
};

/** The server's word goes before ours. `prefix` is where the form stands in the body: `params`. */
export function problemsFrom(local: ReadonlyMap<string, string>, refused: ApiError | null, prefix: string): Problems {
  const all = new Map(local);
  for (const { field, problem } of refused?.problem.fields ?? []) {
    if (prefix === "") all.set(field, problem);
    else if (field.startsWith(`${prefix}.`)) all.set(field.slice(prefix.length + 1), problem);
  }
  return {
    at: (path) => all.get(path),
    under: (path) =>
      [...all].filter(([at]) => at === path || (at.startsWith(path) && /^[.[]/.test(at.slice(path.length)))),
  };
}
