/// Your passkeys: added in the browser, named, removed.

import { ActionIcon, Button, Group, Modal, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState, type FormEvent } from "react";

import { $api, api, data, type Schemas } from "../../api/client";
import { canUsePasskeys, createCredential } from "../../api/passkey";
import { refresh } from "../../api/query";
import { Copy } from "../../ui/Copy";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { NameInput } from "../../ui/NameInput";
import { Sure } from "../../ui/Sure";
import { Time } from "../../ui/Time";
import { clip, inert } from "../../ui/text";
import { Section } from "../../ui/Section";
import { SmallTable } from "../../ui/SmallTable";

type Passkey = Schemas["ListedPasskey"];
type Shown = { kind: "add" } | { kind: "rename" | "remove"; key: Passkey };

export function Passkeys() {
  const list = $api.useQuery("get", "/api/v1/passkeys");
  const [shown, show] = useState<Shown | undefined>();
  const keys = list.data?.items ?? [];
  const close = (): void => {
    show(undefined);
  };
  return (
    <Section
      title="Passkeys"
      about="A key in this device, a phone or a token signs you in without a password, and confirms acts with a touch. It cannot be phished."
      actions={
        <Deed
          leftSection={<IconPlus size={16} aria-hidden />}
          why={canUsePasskeys() ? undefined : "This browser knows no passkeys, or the page did not come over HTTPS."}
          onClick={() => {
            show({ kind: "add" });
          }}
        >
          Add a passkey
        </Deed>
      }
    >
      <Failure error={list.error} retry={() => void list.refetch()} />
      {list.data !== undefined && keys.length === 0 ? <Text size="sm">You have none.</Text> : null}
      {keys.length === 0 ? null : (
        <SmallTable
          label="Your passkeys"
          columns={[
            { title: "Name", cell: (key) => <Name length={60}>{key.name}</Name> },
            { title: "Added", cell: (key) => <Time at={key.created_at} /> },
            { title: "Last used", cell: (key) => <Time at={key.last_used_at} empty="never" /> },
            { title: "What can be done", isUnseen: true, cell: (key) => <Deeds passkey={key} ask={show} /> },
          ]}
          rows={keys}
          of={(key) => key.id}
          minWidth={300}
        />
      )}
      {shown?.kind === "add" ? <Naming title="Add a passkey" deed="Go on" act={add} close={close} /> : null}
      {shown?.kind === "rename" ? (
        <Naming
          title="Rename the passkey"
          deed="Rename"
          initial={shown.key.name}
          act={rename(shown.key.id)}
          close={close}
        />
      ) : null}
      {shown?.kind === "remove" ? (
        <Sure title="Remove the passkey" deed="Remove" act={remove(shown.key.id)} close={close}>
          <Text size="sm">
            <b>
              <Name length={60}>{shown.key.name}</Name>
            </b>{" "}
            signs you in no more. The authenticator keeps its half, which is then of no use. To use it again, add it
            again.
          </Text>
        </Sure>
      ) : null}
    </Section>
  );
}

function Deeds({ passkey, ask }: { passkey: Passkey; ask: (shown: Shown) => void }) {
  const name = clip(inert(passkey.name), 60);
  return (
    <Group gap={4} justify="flex-end" wrap="nowrap">
      {passkey.approver_key ? (
        <Copy
          value={JSON.stringify(passkey.approver_key)}
          label="Copy the public part, for quell trust add --webauthn"
        />
      ) : null}
      <ActionIcon
        variant="subtle"
        color="gray"
        aria-label={`Rename ${name}`}
        onClick={() => {
          ask({ kind: "rename", key: passkey });
        }}
      >
        <IconPencil size={16} />
      </ActionIcon>
      <ActionIcon
        variant="subtle"
        color="gray"
        aria-label={`Remove ${name}`}
        onClick={() => {
          ask({ kind: "remove", key: passkey });
        }}
      >
        <IconTrash size={16} />
      </ActionIcon>
    </Group>
  );
}

async function add(name: string): Promise<void> {
  const asked = await data(api.POST("/api/v1/passkeys/begin", { body: {} }));
  const credential = await createCredential(asked.options);
  await api.POST("/api/v1/passkeys/finish", { body: { ceremony: asked.ceremony, credential, name } });
  notifications.show({ message: "The passkey is added.", color: "teal" });
  await refresh("/api/v1/passkeys");
}

const rename = (id: string) => async (name: string) => {
  await api.PATCH("/api/v1/passkeys/{id}", { params: { path: { id } }, body: { name } });
  await refresh("/api/v1/passkeys");
};

const remove = (id: string) => async () => {
  await api.DELETE("/api/v1/passkeys/{id}", { params: { path: { id } } });
  await refresh("/api/v1/passkeys");
};

type NamingProps = {
  title: string;
  deed: string;
  initial?: string;
  act: (name: string) => Promise<void>;
  close: () => void;
};

function Naming({ title, deed, initial = "", act, close }: NamingProps) {
  const [name, setName] = useState(initial);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await act(name);
      close();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={close} title={title}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="sm">
          <NameInput value={name} change={setName} description="What you call it: “laptop”, “blue token”." />
          <Failure error={error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={isBusy}>
              {deed}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
