/// Roles by their names: those of the tenant are known by an id elsewhere.

import { useMemo } from "react";

import { $api, type Schemas } from "../../../api/client";
import { holds, useMe } from "../../../api/me";
import { Name } from "../../../ui/Name";
import { words } from "../../../ui/text";

export type Role = Schemas["RoleView"];

/** Every role of the tenant; empty to who may not see them. At most five hundred. */
export function useRoles(): Role[] {
  const me = useMe();
  const roles = $api.useQuery(
    "get",
    "/api/v1/roles",
    { params: { query: { limit: 500 } } },
    { enabled: holds(me, "person.read"), staleTime: 30_000 },
  );
  return roles.data?.items ?? NONE;
}

const NONE: Role[] = [];

export type RoleNames = ReadonlyMap<string, string>;

/** From what roles are called elsewhere to what people call them. */
export function useRoleNames(): RoleNames {
  const roles = useRoles();
  return useMemo(() => new Map(roles.map((role) => [role.id, role.name])), [roles]);
}

/** For choosing one or some. */
export function useRoleOptions(): { value: string; label: string }[] {
  const roles = useRoles();
  return useMemo(() => roles.map((role) => ({ value: role.id, label: words(role.name) })), [roles]);
}

/** A role, by name or id. */
export function RoleName({ children, names }: { children: string; names: RoleNames }) {
  return <Name length={40}>{words(names.get(children) ?? children)}</Name>;
}
