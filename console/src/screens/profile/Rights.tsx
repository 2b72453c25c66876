/// What you may do here, in words, and how far it reaches.

import { Badge, Group, Stack, Text } from "@mantine/core";

import { $api } from "../../api/client";
import { useMe } from "../../api/me";
import { Empty } from "../../ui/Empty";
import { Failure } from "../../ui/Failure";
import { clip, inert } from "../../ui/text";
import { IconLock } from "@tabler/icons-react";
import { Section } from "../../ui/Section";
import { PermissionList } from "../settings/roles/PermissionList";

export function Rights() {
  const me = useMe();
  const known = $api.useQuery("get", "/api/v1/permissions", undefined, { staleTime: Infinity });
  const actions = $api.useQuery("get", "/api/v1/actions", undefined, { staleTime: Infinity });
  const held = (known.data?.items ?? []).filter((permission) => me.permissions.includes(permission.name));
  const titles = new Map((actions.data ?? []).map((action) => [action.id, action.title]));
  const reach = me.reach as Record<string, string[]>;
  return (
    <Stack gap="md">
      <Failure error={known.error} retry={() => void known.refetch()} />
      <Section
        title="Actions that you may request"
        about={`${String(me.actions.length)} of ${String(titles.size === 0 ? me.actions.length : titles.size)}. Whether one waits for approval, the settings of the tenant say.`}
      >
        {me.actions.length === 0 ? (
          <Empty icon={IconLock} title="None">
            Your roles let you request no action. An administrator gives roles.
          </Empty>
        ) : (
          <Group gap={6}>
            {me.actions.map((action) => (
              <Badge key={action} variant="default" tt="none" fw={500} title={action}>
                {titles.get(action) ?? action}
              </Badge>
            ))}
          </Group>
        )}
      </Section>
      <Section title="Permissions" about="What your roles add up to.">
        <PermissionList permissions={held} more={({ name }) => <Reach tags={reach[name]} />} />
      </Section>
    </Stack>
  );
}

function Reach({ tags }: { tags: string[] | undefined }) {
  if (tags === undefined) return null;
  return (
    <Text span size="xs">
      Only on endpoints tagged {tags.map((tag) => clip(inert(tag), 40)).join(", ")}
    </Text>
  );
}
