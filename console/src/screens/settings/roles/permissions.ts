/// Permissions by what they are about: the part of the name before the dot.

import { words } from "../../../ui/text";

/** `[["task", [...]], …]` in the order in which the server lists them. */
export function grouped<Permission extends { name: string }>(permissions: Permission[]): [string, Permission[]][] {
  const groups = new Map<string, Permission[]>();
  for (const permission of permissions) {
    const group = words(permission.name.split(".")[0] ?? permission.name);
    groups.set(group, [...(groups.get(group) ?? []), permission]);
  }
  return [...groups];
}
