/// The settings, a draft of them, and who could decide: read once for all parts of the screen.

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { $api, api } from "../../../api/client";
import { useDraft } from "../../../api/draft";
import { holds, useMe } from "../../../api/me";
import { refresh } from "../../../api/query";
import { tagged } from "../../../api/tagged";
import { words } from "../../../ui/text";
import { changes, whole, type Decider, type Names, type Policy } from "./policy";

/** People that are looked at for the warning of too few. */
const LOOKED_AT = 500;

export function useNames(): Names {
  const actions = $api.useQuery("get", "/api/v1/actions", undefined, { staleTime: Infinity });
  const roles = useRoles();
  return useMemo(
    () => ({
      action: (id) => {
        if (id === "*") return "every action";
        if (id.endsWith(".*")) return `every action of ${words(id.slice(0, -2))}`;
        return actions.data?.find((action) => action.id === id)?.title ?? id;
      },
      role: (id) => words(roles.find((role) => role.id === id)?.name ?? id),
    }),
    [actions.data, roles],
  );
}

export type RoleChoice = { id: string; name: string; mayDecide: boolean };

/** Roles that can be named; those that come with Quell where the person may not read roles. */
export function useRoles(): RoleChoice[] {
  const me = useMe();
  const { data } = $api.useQuery(
    "get",
    "/api/v1/roles",
    { params: { query: { limit: 500 } } },
    { enabled: holds(me, "person.read"), staleTime: 60_000 },
  );
  return useMemo(
    () =>
      data?.items.map((role) => ({
        id: role.id,
        name: role.name,
        mayDecide: role.grants.permissions.some((permission) => permission === "*" || permission === "approval.decide"),
      })) ?? [
        { id: "administrator", name: "administrator", mayDecide: true },
        { id: "security_officer", name: "security officer", mayDecide: true },
        { id: "approver", name: "approver", mayDecide: true },
      ],
    [data],
  );
}

/** Who may decide here; `undefined` where this person may not see people. */
export function useDeciders(): Decider[] | undefined {
  const me = useMe();
  const roles = useRoles();
  const { data } = $api.useQuery(
    "get",
    "/api/v1/people",
    { params: { query: { limit: LOOKED_AT } } },
    { enabled: holds(me, "person.read") },
  );
  return useMemo(() => {
    // Of more people than were read nothing is said.
    if (data === undefined || data.next) return undefined;
    const deciding = new Set(roles.filter((role) => role.mayDecide).map((role) => role.id));
    return data.items
      .filter((person) => person.state === "active")
      .map((person) => ({ human: person.human, roles: person.roles.map((held) => held.role) }))
      .filter((person) => person.roles.some((role) => deciding.has(role)));
  }, [data, roles]);
}

/** What the server keeps, what is being changed, and how it is saved. */
export function usePolicy() {
  const stored = useQuery({
    queryKey: ["get", "/api/v1/approval-policy"],
    queryFn: ({ signal }) => tagged(api.GET("/api/v1/approval-policy", { signal })),
  });
  const names = useNames();
  const settings = stored.data?.data;
  const now = useMemo(() => (settings === undefined ? undefined : whole(settings.policy as Policy)), [settings]);
  const draft = useDraft<Policy>({
    now,
    tag: stored.data?.tag,
    put: (next, seen) =>
      api.PUT("/api/v1/approval-policy", { params: { header: { "If-Match": seen } }, body: next as never }),
    read: () => refresh("/api/v1/approval-policy", "/api/v1/audit"),
  });
  const { value: policy, base } = draft;
  const lines = useMemo(
    () => (base === undefined || policy === undefined ? [] : changes(base, policy, names)),
    [base, policy, names],
  );
  return { ...draft, stored, settings, now, policy, names, lines };
}
