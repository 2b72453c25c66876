/// Making a key: whose role it has, what of it, until when; then its text, once.

import { Button, Checkbox, Group, Modal, NumberInput, Select, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { api, data, type Schemas } from "../../../api/client";
import { useMe } from "../../../api/me";
import { refresh } from "../../../api/query";
import { Ask } from "../../../ui/Ask";
import { Name } from "../../../ui/Name";
import { NameInput } from "../../../ui/NameInput";
import { Once, OnceNote } from "../../../ui/Once";
import { Time } from "../../../ui/Time";
import { words } from "../../../ui/text";
import { GrantFields, type Grants } from "../roles/GrantFields";
import { useRoles } from "../roles/names";

const SCOPE: Grants = { permissions: [], actions: [], tags: null, outside: false };

export function NewKey({ close }: { close: () => void }) {
  const me = useMe();
  const roles = useRoles();
  const [name, setName] = useState("");
  const [role, setRole] = useState<string | null>(null);
  const [days, setDays] = useState<number | string>(90);
  const [scope, setScope] = useState<Grants | undefined>();
  const [made, setMade] = useState<Schemas["MadeApiKey"] | undefined>();
  if (made !== undefined) return <Made made={made} close={close} />;
  const send = async () => {
    const body = {
      name,
      role: role ?? "",
      expires_in_days: Number(days),
      ...(scope === undefined ? {} : { scope: scope as unknown as Record<string, never> }),
    };
    setMade(await data(api.POST("/api/v1/api-keys", { body })));
    void refresh("/api/v1/api-keys");
    return "stay" as const;
  };
  // Who may not see roles chooses among their own.
  const options =
    roles.length > 0
      ? roles.map((each) => ({ value: each.id, label: words(each.name) }))
      : me.roles.map((each) => ({ value: each, label: words(each) }));
  return (
    <Ask
      title="New API key"
      deed="Make the key"
      size="xl"
      act={send}
      close={close}
      why={role === null ? "Choose a role." : undefined}
    >
      {(field) => (
        <>
          <NameInput value={name} change={setName} error={field("name")} description="The program that uses it." />
          <Group grow align="flex-start">
            <Select
              label="Role"
              description="Never more than you may yourself."
              required
              searchable
              data={options}
              value={role}
              error={field("role")}
              onChange={setRole}
            />
            <NumberInput
              label="Good for, days"
              description="1 to 366."
              required
              min={1}
              max={366}
              allowDecimal={false}
              value={days}
              error={field("expires_in_days")}
              onChange={setDays}
            />
          </Group>
          <Checkbox
            label="Let it use only a part of the role"
            checked={scope !== undefined}
            onChange={(event) => {
              setScope(event.currentTarget.checked ? SCOPE : undefined);
            }}
          />
          {scope === undefined ? null : <GrantFields isForProgram value={scope} change={setScope} field={field} />}
        </>
      )}
    </Ask>
  );
}

function Made({ made, close }: { made: Schemas["MadeApiKey"]; close: () => void }) {
  const example = `curl -sS -H "Authorization: Bearer $QUELL_API_KEY" ${window.location.origin}/api/v1/me`;
  return (
    <Modal opened onClose={close} title="The key is made" size="lg" closeOnClickOutside={false} closeOnEscape={false}>
      <Stack gap="sm">
        <Text size="sm">
          <b>
            <Name length={60}>{made.name}</Name>
          </b>{" "}
          is good until <Time at={made.expires_at} empty="it is revoked" />.
        </Text>
        <OnceNote />
        <Once label="Key" value={made.text} />
        <Once
          label="Try it"
          value={example}
          about="With the key in the environment, not in the command: what is typed there stays in the shell's history."
        />
        <Group justify="flex-end">
          <Button onClick={close}>Done</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
