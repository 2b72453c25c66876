/// Who you are, and how the console looks to you.

import { SegmentedControl, Stack, Switch, useMantineColorScheme, type MantineColorScheme } from "@mantine/core";

import { useMe } from "../../api/me";
import { useLetterKeys } from "../../app/keys";
import { Copy } from "../../ui/Copy";
import { Facts } from "../../ui/Facts";
import { Name } from "../../ui/Name";
import { Time } from "../../ui/Time";
import { RoleName, useRoleNames } from "../settings/roles/names";
import { Section } from "../../ui/Section";

export function Account() {
  const me = useMe();
  const names = useRoleNames();
  const [hasLetters, setLetters] = useLetterKeys();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Stack gap="md">
      <Section
        title="Who you are"
        about="An administrator of the tenant where you are at home changes your name and roles."
      >
        <Facts
          rows={[
            ["Name", <Name key="name">{me.name}</Name>],
            ["E-mail address", me.email ? <Name key="email">{me.email}</Name> : null],
            ["Tenant", <Name key="tenant">{me.tenant.name}</Name>],
            [
              "Roles here",
              <span key="roles">
                {me.roles.map((role, at) => (
                  <span key={role}>
                    {at > 0 ? ", " : ""}
                    <RoleName names={names}>{role}</RoleName>
                  </span>
                ))}
              </span>,
            ],
            ["This session ends", <Time key="end" at={me.expires_at} />],
            [
              "Your id",
              <span key="id" style={{ fontFamily: "monospace" }}>
                {me.id} <Copy value={me.id} label="Copy your id" />
              </span>,
            ],
          ]}
        />
      </Section>
      <Section title="Look" about="Kept in this browser.">
        <SegmentedControl
          aria-label="Colours"
          value={colorScheme}
          onChange={(value) => {
            setColorScheme(value as MantineColorScheme);
          }}
          data={[
            { value: "auto", label: "As the system" },
            { value: "light", label: "Light" },
            { value: "dark", label: "Dark" },
          ]}
        />
      </Section>
      <Section title="Keys" about="Kept by the server, for wherever you sign in.">
        <Switch
          label="Keys of one letter"
          description="a acts, g and a letter goes to a screen, / searches, ? tells them all. Ctrl+K works either way, and so do the keys of a list that has the focus."
          checked={hasLetters}
          onChange={(event) => {
            setLetters(event.currentTarget.checked);
          }}
        />
      </Section>
    </Stack>
  );
}
