/// The roles that somebody has, and where each comes from.

import { Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { $api } from "../../../api/client";
import { holds, useMe } from "../../../api/me";
import { Name } from "../../../ui/Name";
import { SmallTable } from "../../../ui/SmallTable";
import { Time } from "../../../ui/Time";
import { RoleName, useRoleNames } from "../roles/names";
import type { Person } from "./person";

export function Held({ person }: { person: Person }) {
  const me = useMe();
  const names = useRoleNames();
  const providers = $api.useQuery(
    "get",
    "/api/v1/sso/providers",
    { params: { query: { limit: 500 } } },
    { enabled: holds(me, "sso.read") && person.roles.some((held) => held.source !== "manual") },
  );
  if (person.roles.length === 0) {
    return <Text size="sm">None: they cannot sign in here.</Text>;
  }
  const provider = (id: string): string =>
    (providers.data?.items ?? []).find((each) => each.id === id)?.name ?? "single sign-on";
  return (
    <SmallTable
      label="Roles"
      columns={[
        {
          title: "Role",
          cell: (held) => (
            <Link to={`/settings/roles/${held.role}`} style={{ color: "var(--mantine-color-anchor)" }}>
              <RoleName names={names}>{held.role}</RoleName>
            </Link>
          ),
        },
        {
          title: "Given by",
          cell: (held) =>
            held.source === "manual" ? (
              <Name length={60}>{held.granted_by}</Name>
            ) : (
              <>
                a group of <Name length={40}>{provider(held.source)}</Name>, at sign-in
              </>
            ),
        },
        { title: "Since", cell: (held) => <Time at={held.granted_at} /> },
      ]}
      rows={person.roles}
      of={(held) => `${held.role} ${held.source}`}
      minWidth={420}
    />
  );
}
