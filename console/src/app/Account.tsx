/// Who is signed in, in which tenant, and the way out.

import { Avatar, Menu, Text, UnstyledButton, VisuallyHidden } from "@mantine/core";
import { IconBuilding, IconCheck, IconLogout, IconUser } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";

import { $api } from "../api/client";
import { useMe } from "../api/me";
import { Name } from "../ui/Name";
import { clip, inert } from "../ui/text";
import { changeTenant, leave } from "./session";

export function Account() {
  const me = useMe();
  const tenants = $api.useQuery("get", "/api/v1/tenants");
  const name = inert(me.name);
  return (
    <Menu position="bottom-end" width={260}>
      <Menu.Target>
        <UnstyledButton>
          <Avatar size={34} radius="xl" color="quell" variant="filled" name={clip(name, 40)} alt="" />
          <VisuallyHidden>{clip(name, 60)}, account</VisuallyHidden>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          <Text size="sm" fw={600}>
            <Name length={30}>{me.name}</Name>
          </Text>
          <Text size="xs">
            in <Name length={40}>{me.tenant.name}</Name>
          </Text>
          <Text size="xs">{me.roles.map((role) => clip(inert(role), 30)).join(", ")}</Text>
        </Menu.Label>
        <Menu.Item component={Link} to="/profile" leftSection={<IconUser size={16} aria-hidden />}>
          You and your sessions
        </Menu.Item>
        <Menu.Divider />
        <Menu.Label>Tenant</Menu.Label>
        {(tenants.data?.items ?? []).map((tenant) => (
          <Menu.Item
            key={tenant.id}
            leftSection={<IconBuilding size={16} aria-hidden />}
            rightSection={tenant.id === me.tenant.id ? <IconCheck size={14} aria-label="now" /> : null}
            onClick={() => {
              if (tenant.id !== me.tenant.id) void changeTenant(tenant.id);
            }}
          >
            <Name length={30}>{tenant.name}</Name>
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={() => void leave()}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
