/// API keys: what programs sign in with. They belong to a person and never may more than they.

import { Text } from "@mantine/core";
import { IconKey, IconPlus } from "@tabler/icons-react";
import { useMemo, useState } from "react";

import { $api, api, type Schemas } from "../../../api/client";
import { holds, useMe, whyNot } from "../../../api/me";
import { PAGED, usePages } from "../../../api/pages";
import { refresh } from "../../../api/query";
import { DataTable, type Column } from "../../../ui/DataTable";
import { Deed } from "../../../ui/Deed";
import { Empty } from "../../../ui/Empty";
import { Export } from "../../../ui/Filters";
import { Name } from "../../../ui/Name";
import { Page } from "../../../ui/Page";
import { State } from "../../../ui/State";
import { Sure } from "../../../ui/Sure";
import { Time } from "../../../ui/Time";
import { clip, count, inert } from "../../../ui/text";
import { RoleName, useRoleNames, type RoleNames } from "../roles/names";
import type { Grants } from "../roles/GrantFields";
import { NewKey } from "./NewKey";

type Key = Schemas["ApiKey"];
const PATH = "/api/v1/api-keys";

function stateOf(key: Key, now: number): string {
  if (key.revoked_at) return "revoked";
  return key.expires_at && Date.parse(key.expires_at) <= now ? "expired" : "active";
}

function scopeWords(key: Key): string {
  const scope = key.scope as Grants | null | undefined;
  if (!scope) return "all of the role";
  const part = (list: string[], one: string) => (list.includes("*") ? `every ${one}` : count(list.length, one));
  const tags = scope.tags ? `, tagged ${scope.tags.join(" or ")}` : "";
  return `${part(scope.permissions, "permission")}, ${part(scope.actions, "action")}${tags}`;
}

export default function Keys() {
  const me = useMe();
  const names = useRoleNames();
  const people = $api.useQuery(
    "get",
    "/api/v1/people",
    { params: { query: { limit: 500 } } },
    { enabled: holds(me, "person.read") },
  );
  const owners = useMemo(
    () => new Map((people.data?.items ?? []).map((person) => [person.id, person.name])),
    [people.data],
  );
  const pages = usePages<Key>($api.useInfiniteQuery("get", PATH, { params: { query: { limit: 100 } } }, PAGED));
  const [isNew, make] = useState(false);
  const [revoked, revoke] = useState<Key | undefined>();
  const why = whyNot(me, "key.manage");
  const shown = useMemo(() => columns(names, owners, why, revoke), [names, owners, why]);
  const add = (
    <Deed
      leftSection={<IconPlus size={16} aria-hidden />}
      why={why}
      onClick={() => {
        make(true);
      }}
    >
      New key
    </Deed>
  );
  return (
    <Page
      title="API keys"
      about="What programs sign in with. A key belongs to the person who made it and never may more than they; what only people may do, such as deciding, no key does."
      actions={add}
    >
      <DataTable
        label="Keys"
        columns={shown}
        pages={pages}
        id={(key) => key.id}
        name={(key) => clip(inert(key.name), 60)}
        tools={<Export path={PATH} query={{}} />}
        empty={
          <Empty icon={IconKey} title="No keys" action={add}>
            A program, such as a SIEM or a playbook of another system, calls the API with a key. Give it a role, and of
            that only what it needs.
          </Empty>
        }
      />
      {isNew ? (
        <NewKey
          close={() => {
            make(false);
          }}
        />
      ) : null}
      {revoked === undefined ? null : (
        <Sure
          title="Revoke the key"
          deed="Revoke"
          act={async () => {
            await api.DELETE("/api/v1/api-keys/{id}", { params: { path: { id: revoked.id } } });
            await refresh(PATH);
          }}
          close={() => {
            revoke(undefined);
          }}
        >
          <Text size="sm">
            <b>
              <Name length={60}>{revoked.name}</Name>
            </b>{" "}
            (<code>{revoked.prefix}…</code>) works no more from the next request on, and its live streams end. This
            cannot be taken back: whatever uses it needs a new key.
          </Text>
        </Sure>
      )}
    </Page>
  );
}

function columns(
  names: RoleNames,
  owners: ReadonlyMap<string, string>,
  why: string | undefined,
  revoke: (key: Key) => void,
): Column<Key>[] {
  return [
    {
      id: "name",
      title: "Name",
      width: "minmax(130px, 2fr)",
      isNarrow: true,
      cell: (key) => <Name length={60}>{key.name}</Name>,
    },
    { id: "prefix", title: "Begins with", width: "156px", cell: (key) => <code>{key.prefix}…</code> },
    { id: "role", title: "Role", width: "120px", cell: (key) => <RoleName names={names}>{key.role}</RoleName> },
    {
      id: "scope",
      title: "May use",
      width: "minmax(150px, 2fr)",
      cell: (key) => <Name length={80}>{scopeWords(key)}</Name>,
    },
    {
      id: "owner",
      title: "Belongs to",
      width: "minmax(110px, 1fr)",
      cell: (key) => (
        <Name length={40}>{key.owner ? (owners.get(key.owner) ?? key.owner.slice(0, 8)) : "the server"}</Name>
      ),
    },
    {
      id: "state",
      title: "State",
      width: "104px",
      isNarrow: true,
      cell: (key) => <State state={stateOf(key, Date.now())} />,
    },
    { id: "used", title: "Last used", width: "104px", cell: (key) => <Time at={key.last_used_at} empty="never" /> },
    { id: "ends", title: "Ends", width: "110px", cell: (key) => <Time at={key.expires_at} empty="never" /> },
    { id: "made", title: "Made", width: "120px", isExtra: true, cell: (key) => <Time at={key.created_at} /> },
    {
      id: "do",
      title: "Do",
      width: "96px",
      isNarrow: true,
      cell: (key) =>
        stateOf(key, Date.now()) === "active" ? (
          <Deed
            size="compact-sm"
            variant="default"
            why={why}
            onClick={() => {
              revoke(key);
            }}
          >
            Revoke
          </Deed>
        ) : null,
    },
  ];
}
