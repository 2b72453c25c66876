/// What can be done to endpoints: the catalogue, in the order in which people want it, each with why not.

import { useMemo } from "react";

import { $api, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";

export type Offer = { action: Schemas["Action"]; why: string | undefined };

/** What is wanted first; everything else of the catalogue follows in its own order. */
const FIRST = ["endpoint.isolate", "endpoint.restore", "file.collect", "endpoint.run_script"];

/** Actions that an agent carries out, by `capabilities` of an endpoint; `undefined` where it said nothing of use. */
export function capabilitiesOf(capabilities: unknown): Set<string> | undefined {
  if (!Array.isArray(capabilities)) return undefined;
  const ids = capabilities.map((each: unknown) => (each as { action?: unknown } | null)?.action);
  return new Set(ids.filter((id): id is string => typeof id === "string"));
}

/** Every action that points at endpoints; with `capable` also whether their agent can. */
export function useOffers(capable?: Set<string>): Offer[] {
  const me = useMe();
  const { data } = $api.useQuery("get", "/api/v1/actions", undefined, { staleTime: 300_000 });
  return useMemo(() => {
    const place = (id: string): number => (FIRST.includes(id) ? FIRST.indexOf(id) : FIRST.length);
    return (data ?? [])
      .filter((action) => action.target === "endpoint")
      .sort((a, b) => place(a.id) - place(b.id))
      .map((action) => ({
        action,
        why:
          whyNot(me, "task.submit", action.id) ??
          (capable && !capable.has(action.id)
            ? "Its agent cannot do this: it is of another system or too old."
            : undefined),
      }));
  }, [data, me, capable]);
}

/** Why `permission` does not reach endpoints with `tags`, or `undefined` where it does. */
export function useWhyNot(permission: string, tags?: string[]): string | undefined {
  const me = useMe();
  const why = whyNot(me, permission);
  if (why !== undefined || tags === undefined) return why;
  const reach = (me.reach as Record<string, string[] | undefined>)[permission];
  if (reach === undefined || tags.some((tag) => reach.includes(tag))) return undefined;
  return `Your roles reach only endpoints with the tags ${reach.join(", ")}.`;
}
