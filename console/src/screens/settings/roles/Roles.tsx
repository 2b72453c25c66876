/// Roles: those that come with Quell, and the tenant's own.

import { Text } from "@mantine/core";
import { IconPlus, IconUserShield } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";

import { $api } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { PAGED, usePages } from "../../../api/pages";
import { DataTable, type Column } from "../../../ui/DataTable";
import { Deed } from "../../../ui/Deed";
import { Empty } from "../../../ui/Empty";
import { Name } from "../../../ui/Name";
import { Page } from "../../../ui/Page";
import { Time } from "../../../ui/Time";
import { clip, count, inert, words } from "../../../ui/text";
import type { Role } from "./names";

const size = (list: string[], one: string): string =>
  list.includes("*") ? `every ${one}` : list.length === 0 ? `no ${one}` : count(list.length, one);

const columns: Column<Role>[] = [
  {
    id: "name",
    title: "Role",
    width: "minmax(150px, 1fr)",
    isNarrow: true,
    cell: (role) => <Name length={60}>{words(role.name)}</Name>,
  },
  {
    id: "about",
    title: "What for",
    width: "minmax(220px, 3fr)",
    cell: (role) => <Name length={160}>{role.description}</Name>,
  },
  {
    id: "kind",
    title: "Kind",
    width: "120px",
    isNarrow: true,
    cell: (role) => (role.built_in ? "comes with Quell" : "your own"),
  },
  {
    id: "permissions",
    title: "Permissions",
    width: "140px",
    cell: (role) => size(role.grants.permissions, "permission"),
  },
  { id: "actions", title: "Actions", width: "120px", cell: (role) => size(role.grants.actions, "action") },
  {
    id: "reach",
    title: "Endpoints",
    width: "minmax(110px, 1fr)",
    cell: (role) =>
      role.grants.tags ? (
        <Name length={60}>{role.grants.tags.join(", ")}</Name>
      ) : (
        <Text span size="sm" c="dimmed">
          every one
        </Text>
      ),
  },
  { id: "changed", title: "Changed", width: "130px", isExtra: true, cell: (role) => <Time at={role.updated_at} /> },
];

export default function Roles() {
  const me = useMe();
  const navigate = useNavigate();
  const pages = usePages<Role>(
    $api.useInfiniteQuery("get", "/api/v1/roles", { params: { query: { limit: 100 } } }, PAGED),
  );
  const add = (
    <Deed
      leftSection={<IconPlus size={16} aria-hidden />}
      why={whyNot(me, "person.manage")}
      onClick={() => void navigate({ to: "/settings/roles/new" })}
    >
      New role
    </Deed>
  );
  return (
    <Page
      title="Roles"
      about="What people and programs may. Roles add up and do not mix: a permission for some endpoints stays one for those."
      actions={add}
    >
      <DataTable
        label="Roles"
        columns={columns}
        pages={pages}
        id={(role) => role.id}
        to={(role) => `/settings/roles/${role.id}`}
        name={(role) => clip(inert(role.name), 60)}
        empty={
          <Empty icon={IconUserShield} title="No roles" action={add}>
            Roles come with Quell; your own narrow them.
          </Empty>
        }
      />
    </Page>
  );
}
