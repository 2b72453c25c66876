/// What a role grants, to read.

import { Badge, Group, Text } from "@mantine/core";

import { $api } from "../../../api/client";
import { Section } from "../../../ui/Section";
import { clip, inert } from "../../../ui/text";
import type { Grants } from "./GrantFields";
import { PermissionList } from "./PermissionList";

export function Granted({ grants }: { grants: Grants }) {
  const known = $api.useQuery("get", "/api/v1/permissions", undefined, { staleTime: Infinity });
  const actions = $api.useQuery("get", "/api/v1/actions", undefined, { staleTime: Infinity });
  const titles = new Map((actions.data ?? []).map((action) => [action.id, action.title]));
  const isAll = grants.permissions.includes("*");
  const held = (known.data?.items ?? []).filter((permission) => isAll || grants.permissions.includes(permission.name));
  return (
    <>
      <Section
        title="Actions"
        about={
          grants.tags
            ? `On endpoints tagged ${grants.tags.map((tag) => clip(inert(tag), 40)).join(" or ")}.`
            : "On every endpoint."
        }
      >
        {grants.actions.length === 0 ? (
          <Text size="sm">None.</Text>
        ) : (
          <Group gap={6}>
            {grants.actions.map((action) => (
              <Badge key={action} variant="default" tt="none" fw={500} title={action}>
                {action === "*" ? "every action" : (titles.get(action) ?? clip(inert(action), 60))}
              </Badge>
            ))}
          </Group>
        )}
      </Section>
      <Section title="Permissions" about={isAll ? "All of them." : undefined}>
        <PermissionList permissions={held} />
      </Section>
    </>
  );
}
