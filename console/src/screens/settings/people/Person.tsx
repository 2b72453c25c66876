/// One person: who they are, what they are here, and what an administrator can do about their account.

import { Stack } from "@mantine/core";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";

import { $api } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { Copy } from "../../../ui/Copy";
import { Deed } from "../../../ui/Deed";
import { Facts } from "../../../ui/Facts";
import { Name } from "../../../ui/Name";
import { Page } from "../../../ui/Page";
import { Section } from "../../../ui/Section";
import { State } from "../../../ui/State";
import { Time } from "../../../ui/Time";
import { Unread } from "../../../ui/Unread";
import { Held } from "./Held";
import { PersonDeeds, type DeedName } from "./PersonDeeds";
import { wayIn, type Person as Shown } from "./person";

export default function Person() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  const person = $api.useQuery("get", "/api/v1/people/{id}", { params: { path: { id } } });
  if (person.data === undefined || person.error !== null)
    return <Unread answer={person} label="Reading the person" m="xl" />;
  return <One person={person.data} />;
}

function One({ person }: { person: Shown }) {
  const me = useMe();
  const [deed, ask] = useState<DeedName | undefined>();
  const why = whyNot(me, "person.manage");
  const isMe = me.id === person.id;
  const foreign = person.at_home ? undefined : "The tenant where they are at home manages their account.";
  const button = (name: DeedName, label: string, not?: string) => (
    <Deed
      variant="default"
      why={why ?? not}
      onClick={() => {
        ask(name);
      }}
    >
      {label}
    </Deed>
  );
  return (
    <Page
      title={person.name}
      about={<Name>{person.email}</Name>}
      actions={
        <>
          {button("rename", "Rename", foreign)}
          {button(
            "reset",
            "New way in",
            foreign ?? (person.state === "disabled" ? "Enable the account first." : undefined),
          )}
          {person.state === "disabled"
            ? button("enable", "Enable", foreign)
            : button("disable", "Disable", foreign ?? (isMe ? "That is you." : undefined))}
        </>
      }
    >
      <Stack gap="md">
        <Section title="Account">
          <Facts
            rows={[
              [
                "State",
                <State
                  key="state"
                  state={person.state === "invited" ? "pending" : person.state}
                  label={person.state}
                />,
              ],
              ["Signs in with", wayIn(person)],
              ["At home", person.at_home ? "here" : "in another tenant; they ask as an outside team"],
              ["Account made", <Time key="made" at={person.created_at} />],
              ["Last sign-in", person.at_home ? <Time key="seen" at={person.last_login_at} empty="never" /> : null],
              [
                "Id",
                <span key="id" style={{ fontFamily: "monospace" }}>
                  {person.id} <Copy value={person.id} label="Copy the id" />
                </span>,
              ],
            ]}
          />
        </Section>
        <Section
          title="Roles here"
          about="What they may do in this tenant. A change counts at once, also for open sessions and keys."
          actions={button("roles", "Change roles")}
        >
          <Held person={person} />
        </Section>
        <Section
          title="One human"
          about="Accounts of one human count once where people decide: nobody approves their own request by signing in another way. Accounts with the same address are linked by themselves."
          actions={button("link", "Link another account")}
        >
          <Same person={person} />
        </Section>
      </Stack>
      {deed === undefined ? null : (
        <PersonDeeds
          deed={deed}
          person={person}
          close={() => {
            ask(undefined);
          }}
        />
      )}
    </Page>
  );
}

/** Others of this tenant who are the same human. */
function Same({ person }: { person: Shown }) {
  const people = $api.useQuery("get", "/api/v1/people", { params: { query: { limit: 500 } } });
  const others = (people.data?.items ?? []).filter((other) => other.human === person.human && other.id !== person.id);
  return (
    <Facts
      rows={[
        ["Human", <code key="human">{person.human}</code>],
        [
          "Other accounts here",
          others.length === 0
            ? "none"
            : others.map((other) => (
                <div key={other.id}>
                  <Name length={60}>{other.name}</Name> · <Name length={80}>{other.email}</Name>
                </div>
              )),
        ],
      ]}
    />
  );
}
