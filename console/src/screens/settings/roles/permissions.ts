/// Permissions by what they are about: the part of the name before the dot.

import { words } from "../../../ui/text";

/** What a name is short for. */
const LONG: Record<string, string> = { sso: "single sign-on" };

function titled(group: string): string {
  const text = LONG[group] ?? words(group);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `[["Task", [...]], …]` in the order in which the server lists them. */
export function grouped<Permission extends { name: string }>(permissions: Permission[]): [string, Permission[]][] {
  const groups = new Map<string, Permission[]>();
  for (const permission of permissions) {
    const group = titled(permission.name.split(".")[0] ?? permission.name);
    groups.set(group, [...(groups.get(group) ?? []), permission]);
  }
  return [...groups];
}
