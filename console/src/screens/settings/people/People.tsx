/// The people of a tenant: who they are here, how they come in, whether they may.

import { Button, Group, Menu, Text } from "@mantine/core";
import { IconChevronDown, IconUserPlus, IconUsers } from "@tabler/icons-react";
import { useMemo, useState } from "react";

import { $api } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { PAGED, usePages } from "../../../api/pages";
import { DataTable, type Column } from "../../../ui/DataTable";
import { Deed } from "../../../ui/Deed";
import { Empty } from "../../../ui/Empty";
import { Export } from "../../../ui/Filters";
import { Name } from "../../../ui/Name";
import { Page } from "../../../ui/Page";
import { State } from "../../../ui/State";
import { Time } from "../../../ui/Time";
import { clip, inert } from "../../../ui/text";
import { RoleName, useRoleNames, type RoleNames } from "../roles/names";
import { Admit } from "./Admit";
import { Invite } from "./Invite";
import { wayIn, type Person } from "./person";

const PATH = "/api/v1/people";

function columns(names: RoleNames): Column<Person>[] {
  return [
    {
      id: "name",
      title: "Name",
      width: "minmax(160px, 2fr)",
      isNarrow: true,
      cell: (person) => <Name length={60}>{person.name}</Name>,
    },
    {
      id: "email",
      title: "E-mail address",
      width: "minmax(180px, 2fr)",
      cell: (person) => <Name length={60}>{person.email}</Name>,
    },
    {
      id: "roles",
      title: "Roles",
      width: "minmax(160px, 2fr)",
      cell: (person) =>
        person.roles.length === 0 ? (
          <Text span c="dimmed" size="sm">
            none
          </Text>
        ) : (
          person.roles.map((held, at) => (
            <span key={`${held.role} ${held.source}`}>
              {at > 0 ? ", " : ""}
              <RoleName names={names}>{held.role}</RoleName>
            </span>
          ))
        ),
    },
    {
      id: "state",
      title: "State",
      width: "130px",
      isNarrow: true,
      cell: (person) => <State state={person.state === "invited" ? "pending" : person.state} label={person.state} />,
    },
    { id: "way", title: "Signs in with", width: "190px", cell: wayIn },
    { id: "home", title: "At home", width: "110px", cell: (person) => (person.at_home ? "here" : "elsewhere") },
    {
      id: "seen",
      title: "Last sign-in",
      width: "130px",
      cell: (person) => <Time at={person.last_login_at} empty={person.at_home ? "never" : "–"} />,
    },
    { id: "made", title: "Since", width: "130px", isExtra: true, cell: (person) => <Time at={person.created_at} /> },
  ];
}

export default function People() {
  const me = useMe();
  const names = useRoleNames();
  const shown = useMemo(() => columns(names), [names]);
  const pages = usePages<Person>($api.useInfiniteQuery("get", PATH, { params: { query: { limit: 100 } } }, PAGED));
  const [asked, ask] = useState<"invite" | "admit" | undefined>();
  const why = whyNot(me, "person.manage");
  const invite = (
    <Deed
      leftSection={<IconUserPlus size={16} aria-hidden />}
      why={why}
      onClick={() => {
        ask("invite");
      }}
    >
      Invite
    </Deed>
  );
  const close = (): void => {
    ask(undefined);
  };
  return (
    <Page
      title="People"
      about="Who works in this tenant, and as what. Nobody gives more than they have."
      actions={
        <Group gap={6}>
          <Menu position="bottom-end">
            <Menu.Target>
              <Button variant="default" rightSection={<IconChevronDown size={14} aria-hidden />}>
                More
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item
                disabled={why !== undefined}
                onClick={() => {
                  ask("admit");
                }}
              >
                Let somebody of another tenant in
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
          {invite}
        </Group>
      }
    >
      <DataTable
        label="People"
        columns={shown}
        pages={pages}
        id={(person) => person.id}
        to={(person) => `/settings/people/${person.id}`}
        name={(person) => clip(inert(person.name), 60)}
        tools={<Export path={PATH} query={{}} />}
        empty={
          <Empty icon={IconUsers} title="Nobody yet" action={invite}>
            People are invited by name and address, and set their password with a link.
          </Empty>
        }
      />
      {asked === "invite" ? <Invite close={close} /> : null}
      {asked === "admit" ? <Admit close={close} /> : null}
    </Page>
  );
}
