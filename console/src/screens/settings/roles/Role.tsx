/// One role: what it grants, who has it; the tenant's own can be changed and removed.

import { Anchor, List, Stack, Text } from "@mantine/core";
import { IconLock } from "@tabler/icons-react";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";

import { $api, api } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { refresh } from "../../../api/query";
import { Deed } from "../../../ui/Deed";
import { Empty } from "../../../ui/Empty";
import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import { Page } from "../../../ui/Page";
import { Section } from "../../../ui/Section";
import { Sure } from "../../../ui/Sure";
import { words } from "../../../ui/text";
import { Granted } from "./Granted";
import type { Role as Shown } from "./names";
import { RoleForm } from "./RoleForm";
import { Note } from "../../../ui/Note";
import { Unread } from "../../../ui/Unread";

export default function Role() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  const roles = $api.useQuery("get", "/api/v1/roles", { params: { query: { limit: 500 } } });
  const navigate = useNavigate();
  if (id === "new") {
    return (
      <Page title="New role" about="Made of permissions, actions, and tags of endpoints.">
        <RoleForm
          done={(made) => void navigate({ to: `/settings/roles/${made}` })}
          cancel={() => void navigate({ to: "/settings/roles" })}
        />
      </Page>
    );
  }
  if (roles.data === undefined || roles.error !== null)
    return <Unread answer={roles} label="Reading the role" m="xl" />;
  const role = roles.data.items.find((each) => each.id === id);
  if (role === undefined) {
    return (
      <Empty icon={IconLock} title="There is no such role">
        It was removed, or belongs to another tenant.{" "}
        <Anchor component={Link} to="/settings/roles">
          All roles
        </Anchor>
      </Empty>
    );
  }
  return <One role={role} />;
}

function One({ role }: { role: Shown }) {
  const me = useMe();
  const navigate = useNavigate();
  const [isEdited, edit] = useState(false);
  const [isRemoved, remove] = useState(false);
  const builtIn = role.built_in ? "It comes with Quell and stays as it is. Make one of your own." : undefined;
  const why = whyNot(me, "person.manage") ?? builtIn;
  return (
    <Page
      title={words(role.name)}
      about={<Name length={500}>{role.description}</Name>}
      actions={
        isEdited ? null : (
          <>
            <Deed
              variant="default"
              why={why}
              onClick={() => {
                edit(true);
              }}
            >
              Change
            </Deed>
            <Deed
              variant="default"
              why={why}
              onClick={() => {
                remove(true);
              }}
            >
              Remove
            </Deed>
          </>
        )
      }
    >
      {isEdited ? (
        <RoleForm
          role={role}
          done={() => {
            edit(false);
          }}
          cancel={() => {
            edit(false);
          }}
        />
      ) : (
        <Stack gap="md">
          {role.grants.outside ? (
            <Note title="An outside team">The managed-services settings decide about what its members request.</Note>
          ) : null}
          <Granted grants={role.grants} />
          <Members role={role} />
        </Stack>
      )}
      {isRemoved ? (
        <Sure
          title="Remove the role"
          deed="Remove"
          act={async () => {
            await api.DELETE("/api/v1/roles/{id}", { params: { path: { id: role.id } } });
            void navigate({ to: "/settings/roles" });
            await refresh("/api/v1/roles");
          }}
          close={() => {
            remove(false);
          }}
        >
          <Text size="sm">
            <b>
              <Name length={60}>{role.name}</Name>
            </b>{" "}
            is gone for good. It works only while nobody has it and no group of an identity provider gives it.
          </Text>
        </Sure>
      ) : null}
    </Page>
  );
}

function Members({ role }: { role: Shown }) {
  const people = $api.useQuery("get", "/api/v1/people", { params: { query: { limit: 500 } } });
  const members = (people.data?.items ?? []).filter((person) => person.roles.some((held) => held.role === role.id));
  return (
    <Section title="Who has it" about={people.data?.next ? "Among the first five hundred people." : undefined}>
      <Failure error={people.error} />
      {people.data !== undefined && members.length === 0 ? <Text size="sm">Nobody.</Text> : null}
      <List size="sm" spacing={4}>
        {members.map((person) => (
          <List.Item key={person.id}>
            <Anchor component={Link} to={`/settings/people/${person.id}`}>
              <Name length={60}>{person.name}</Name>
            </Anchor>{" "}
            <Text span size="sm" c="dimmed">
              <Name length={80}>{person.email}</Name>
            </Text>
          </List.Item>
        ))}
      </List>
    </Section>
  );
}
