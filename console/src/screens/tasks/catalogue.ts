/// What the catalogue and the library know about tasks, read once.

import { useQueries } from "@tanstack/react-query";
import { useMemo } from "react";

import { $api, type Schemas } from "../../api/client";
import { holds, useMe } from "../../api/me";
import { sayParams, sayShort, type Known, type Said, type Task } from "./words";
import type { Schema } from "./schema";

const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** Bodies of one task whose names are looked up. */
const MOST_NAMED = 8;

const FOREVER = { staleTime: Infinity, gcTime: Infinity } as const;

/** Every action; none until they are read. */
export function useActions(): Schemas["Action"][] {
  return $api.useQuery("get", "/api/v1/actions", {}, FOREVER).data ?? [];
}

/** One action with its schemas. */
export function useAction(id: string): Schemas["ActionWithSchemas"] | undefined {
  return $api.useQuery("get", "/api/v1/actions/{id}", { params: { path: { id } } }, FOREVER).data;
}

/** What the library calls bodies: tasks name them by digest alone. */
function useNamed(params: Record<string, unknown>): Known {
  const me = useMe();
  const digests = Object.values(params)
    .flat()
    .filter((value): value is string => typeof value === "string" && DIGEST.test(value))
    .map((value) => value.slice("sha256:".length))
    .slice(0, MOST_NAMED);
  return useQueries({
    queries: digests.map((sha256) => ({
      ...$api.queryOptions("get", "/api/v1/library/versions/{sha256}", { params: { path: { sha256 } } }),
      enabled: holds(me, "library.read"),
      // A digest is of the same body for ever.
      staleTime: Infinity,
      retry: false,
    })),
    combine: named,
  });
}

function named(answers: { data?: Schemas["LibraryVersion"][] | undefined }[]): Known {
  const versions = answers.flatMap(({ data }) => data ?? []);
  return new Map(versions.map((version) => [version.sha256, `${version.name}@${String(version.version)}`]));
}

/** The parameters of a task in words. */
export function useSaid(task: Pick<Task, "action" | "params">): Said[] {
  const action = useAction(task.action);
  const schema = action?.params_schema as Schema | undefined;
  const params = task.params as Record<string, unknown>;
  const known = useNamed(params);
  return useMemo(() => sayParams(schema, params, known), [schema, params, known]);
}

/** The same on one line. */
export function useShort(task: Pick<Task, "action" | "params">): string {
  return sayShort(useSaid(task));
}
