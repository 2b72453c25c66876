/// Who is signed in, and what they may do. The server decides; this says it beforehand, so that a button can say why not.

import { $api, type Schemas } from "./client";

export type Me = Schemas["Me"];

/** Who is signed in. Screens under the shell are drawn only when this is known. */
export function useMe(): Me {
  const { data } = $api.useQuery("get", "/api/v1/me", undefined, { staleTime: 60_000 });
  if (data === undefined) throw new Error("A screen was drawn before it was known who is signed in.");
  return data;
}

/** Whether `permission` is held; `"*"` is everything. */
export function holds(me: Me, permission: string): boolean {
  return me.permissions.includes(permission) || me.permissions.includes("*");
}

/** The first of `needs` that is not held, or `undefined` where all are. */
export function lacking(me: Me, needs: string | readonly string[] = []): string | undefined {
  return [needs].flat().find((permission) => !holds(me, permission));
}

/** Why the person may not, or `undefined` where they may: what a disabled button says. */
export function whyNot(me: Me, permission: string, action?: string): string | undefined {
  if (!holds(me, permission)) {
    return `This needs the permission “${permission}”, which none of your roles has (${me.roles.join(", ")}).`;
  }
  if (action !== undefined && !me.actions.includes(action)) {
    return `Your roles (${me.roles.join(", ")}) may not request ${action}.`;
  }
  return undefined;
}
