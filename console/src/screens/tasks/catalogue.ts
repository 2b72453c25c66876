/// What the catalogue and the library know about tasks, read once.

import { useMemo } from "react";

import { $api, type Schemas } from "../../api/client";
import { sayParams, sayShort, type Known, type Said, type Task } from "./words";
import type { Schema } from "./schema";

const FOREVER = { staleTime: Infinity, gcTime: Infinity } as const;

/** Every action; none until they are read. */
export function useActions(): Schemas["Action"][] {
  return $api.useQuery("get", "/api/v1/actions", {}, FOREVER).data ?? [];
}

/** One action with its schemas. */
export function useAction(id: string): Schemas["ActionWithSchemas"] | undefined {
  return $api.useQuery("get", "/api/v1/actions/{id}", { params: { path: { id } } }, FOREVER).data;
}

/** The names of scripts by their digest: tasks name them by digest alone. */
function useScripts(isWanted: boolean): Known {
  const scripts = $api.useQuery(
    "get",
    "/api/v1/scripts",
    { params: { query: { limit: 500 } } },
    { enabled: isWanted, staleTime: 60_000, retry: false },
  );
  const items = scripts.data?.items;
  return useMemo(
    () =>
      new Map(
        (items ?? []).flatMap((script) =>
          script.versions.map((version) => [version.sha256, `${script.name}@${String(version.version)}`] as const),
        ),
      ),
    [items],
  );
}

/** The parameters of a task in words. */
export function useSaid(task: Pick<Task, "action" | "params">): Said[] {
  const action = useAction(task.action);
  const schema = action?.params_schema as Schema | undefined;
  const params = task.params as Record<string, unknown>;
  const known = useScripts(
    Object.values(params).some((value) => typeof value === "string" && value.startsWith("sha256:")),
  );
  return useMemo(() => sayParams(schema, params, known), [schema, params, known]);
}

/** The same on one line. */
export function useShort(task: Pick<Task, "action" | "params">): string {
  return sayShort(useSaid(task));
}
