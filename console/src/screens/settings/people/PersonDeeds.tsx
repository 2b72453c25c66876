/// What an administrator can do about an account, each with its second step.

import { Checkbox, Select, Text } from "@mantine/core";
import { useState } from "react";

import { $api, api, data, type Schemas } from "../../../api/client";
import { refresh } from "../../../api/query";
import { Ask } from "../../../ui/Ask";
import { Name } from "../../../ui/Name";
import { NameInput } from "../../../ui/NameInput";
import { Sure } from "../../../ui/Sure";
import { clip, inert } from "../../../ui/text";
import type { Person } from "./person";
import { RolePick } from "./RolePick";
import { ShownTicket } from "./ShownTicket";

export type DeedName = "rename" | "reset" | "disable" | "enable" | "roles" | "link";
type Props = { person: Person; close: () => void };

export function PersonDeeds({ deed, ...props }: Props & { deed: DeedName }) {
  switch (deed) {
    case "rename":
      return <Rename {...props} />;
    case "reset":
      return <Reset {...props} />;
    case "disable":
      return <Disable {...props} />;
    case "enable":
      return <Enable {...props} />;
    case "roles":
      return <Roles {...props} />;
    case "link":
      return <LinkAccounts {...props} />;
  }
}

const again = (): Promise<void> => refresh("/api/v1/people", "/api/v1/me");

async function change(id: string, body: Schemas["PersonChange"]): Promise<void> {
  await api.PATCH("/api/v1/people/{id}", { params: { path: { id } }, body });
  await again();
}

function Bold({ person }: { person: Person }) {
  return (
    <b>
      <Name length={60}>{person.name}</Name> (<Name length={80}>{person.email}</Name>)
    </b>
  );
}

function Rename({ person, close }: Props) {
  const [name, setName] = useState(person.name);
  return (
    <Ask title="Rename" deed="Rename" act={() => change(person.id, { name })} close={close}>
      {(field) => <NameInput value={name} change={setName} error={field("name")} />}
    </Ask>
  );
}

function Disable({ person, close }: Props) {
  return (
    <Sure title="Disable the account" deed="Disable" act={() => change(person.id, { state: "disabled" })} close={close}>
      <Text size="sm">
        <Bold person={person} /> is out at once: sessions end in every tenant, their API keys work no more, links are
        void. Enabling the account lets them sign in again; what ended stays ended.
      </Text>
    </Sure>
  );
}

function Enable({ person, close }: Props) {
  return (
    <Ask title="Enable the account" deed="Enable" act={() => change(person.id, { state: "active" })} close={close}>
      {() => (
        <Text size="sm">
          <Bold person={person} /> may sign in again, as before, and their API keys work again.
        </Text>
      )}
    </Ask>
  );
}

function Reset({ person, close }: Props) {
  const [totp, setTotp] = useState(false);
  const [made, setMade] = useState<Schemas["Invited"] | undefined>();
  if (made !== undefined) {
    return <ShownTicket title="A new way in" ticket={made.ticket} name={made.name} close={close} />;
  }
  const send = async () => {
    const init = { params: { path: { id: person.id } }, body: { totp } };
    setMade(await data(api.POST("/api/v1/people/{id}/reset", init)));
    void again();
    return "stay" as const;
  };
  return (
    <Sure title="Give a new way in" deed="Take the old, make a link" act={send} close={close}>
      <Text size="sm">
        The password and all passkeys of <Bold person={person} /> are good no more, and their sessions end. You are
        shown a link, once, with which they set a new password within a day.
      </Text>
      {person.totp ? (
        <Checkbox
          checked={totp}
          label="Turn off one-time codes too: the phone and the recovery codes are lost"
          onChange={(event) => {
            setTotp(event.currentTarget.checked);
          }}
        />
      ) : null}
    </Sure>
  );
}

function Roles({ person, close }: Props) {
  const [roles, setRoles] = useState(person.roles.filter((held) => held.source === "manual").map((held) => held.role));
  const send = async (): Promise<void> => {
    await api.PUT("/api/v1/people/{id}/roles", { params: { path: { id: person.id } }, body: { roles } });
    await again();
  };
  return (
    <Ask title={`Roles of ${clip(inert(person.name), 60)}`} deed="Save" size="lg" act={send} close={close}>
      {(field) => (
        <>
          <RolePick value={roles} change={setRoles} error={field("roles")} />
          {person.roles.some((held) => held.source !== "manual") ? (
            <Text size="sm" c="dimmed">
              Roles that groups of an identity provider give stay; they change at the next sign-in.
            </Text>
          ) : null}
          {roles.length === 0 ? (
            <Text size="sm">Without a role they have no session here and cannot sign in to this tenant.</Text>
          ) : null}
        </>
      )}
    </Ask>
  );
}

function LinkAccounts({ person, close }: Props) {
  const people = $api.useQuery("get", "/api/v1/people", { params: { query: { limit: 500 } } });
  const [other, setOther] = useState<string | null>(null);
  const send = async (): Promise<void> => {
    await api.POST("/api/v1/people/{id}/link", { params: { path: { id: person.id } }, body: { person: other ?? "" } });
    await again();
  };
  return (
    <Sure title="Two accounts, one human" deed="Link" act={send} close={close}>
      <Text size="sm">
        From then on <Bold person={person} /> and the other account count once where people decide. This cannot be taken
        apart again here.
      </Text>
      <Select
        label="The other account"
        required
        searchable
        data={(people.data?.items ?? [])
          .filter((each) => each.id !== person.id && each.human !== person.human)
          .map((each) => ({ value: each.id, label: clip(inert(`${each.name} · ${each.email}`), 90) }))}
        value={other}
        onChange={setOther}
      />
    </Sure>
  );
}
