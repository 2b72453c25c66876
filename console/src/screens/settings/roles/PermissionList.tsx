/// Permissions to read, by what they are about.

import { List, Text } from "@mantine/core";
import type { ReactNode } from "react";

import type { Schemas } from "../../../api/client";
import classes from "../../../ui/columns.module.css";
import { grouped } from "./permissions";

type Permission = Schemas["PermissionView"];
type Props = {
  permissions: Permission[];
  /** What else is to be said of one. */
  more?: (permission: Permission) => ReactNode;
};

export function PermissionList({ permissions, more }: Props) {
  return (
    <div className={classes.columns}>
      {grouped(permissions).map(([group, held]) => (
        <div key={group}>
          <Text size="sm" fw={600}>
            {group}
          </Text>
          <List size="sm" spacing={2}>
            {held.map((permission) => (
              <List.Item key={permission.name}>
                {permission.about}
                <Text span size="xs" c="dimmed" ff="monospace" display="block">
                  {permission.name}
                </Text>
                {more?.(permission)}
              </List.Item>
            ))}
          </List>
        </div>
      ))}
    </div>
  );
}
