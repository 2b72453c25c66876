/// Choosing roles, with what each is for.

import { Checkbox, Group, Stack, Text } from "@mantine/core";

import { Name } from "../../../ui/Name";
import { words } from "../../../ui/text";
import { useRoles } from "../roles/names";

type Props = { value: string[]; change: (roles: string[]) => void; error?: string | undefined };

export function RolePick({ value, change, error }: Props) {
  const roles = useRoles();
  return (
    <Checkbox.Group
      label="Roles"
      description="They add up. You can give only what you may yourself."
      value={value}
      onChange={change}
      {...(error === undefined ? {} : { error })}
    >
      <Stack gap={6} mt="xs" mah={300} style={{ overflowY: "auto" }}>
        {roles.map((role) => (
          <Checkbox
            key={role.id}
            value={role.id}
            label={
              <Group gap={6} component="span" wrap="nowrap" align="baseline">
                <Text span size="sm" fw={600} style={{ whiteSpace: "nowrap" }}>
                  <Name length={40}>{words(role.name)}</Name>
                </Text>
                <Text span size="xs" c="dimmed">
                  <Name length={140}>{role.description}</Name>
                </Text>
              </Group>
            }
          />
        ))}
      </Stack>
    </Checkbox.Group>
  );
}
