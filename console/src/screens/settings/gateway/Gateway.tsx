/// Where agents are told to connect.

import { Code, Group, Paper, Stack, TagsInput, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState } from "react";

import { $api, api, type Schemas } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { asApiError } from "../../../api/problem";
import { refresh } from "../../../api/query";
import { Deed } from "../../../ui/Deed";
import { Page } from "../../../ui/Page";
import { Sure } from "../../../ui/Sure";
import { inert } from "../../../ui/text";
import { Note } from "../../../ui/Note";
import { Unread } from "../../../ui/Unread";

export default function Gateway() {
  const gateway = $api.useQuery("get", "/api/v1/gateway/addresses");
  return (
    <Page
      title="Gateway"
      about="The addresses at which agents connect, in the order in which they are tried. One setting for the whole server; the administrators of its first tenant change it."
    >
      <Unread answer={gateway} label="Reading the addresses" />
      {gateway.data === undefined ? null : <Form key={gateway.data.addresses.join()} now={gateway.data} />}
    </Page>
  );
}

function Form({ now }: { now: Schemas["GatewayAddresses"] }) {
  const me = useMe();
  const why = whyNot(me, "gateway.manage");
  const [addresses, setAddresses] = useState(now.addresses);
  const [error, setError] = useState<unknown>(null);
  const [asked, ask] = useState<string[] | undefined>();
  const isSame = addresses.join() === now.addresses.join();
  const put = async (wanted: string[]): Promise<void> => {
    setError(null);
    try {
      await api.PUT("/api/v1/gateway/addresses", { body: { addresses: wanted } });
    } catch (failure) {
      setError(failure);
      throw failure;
    }
    notifications.show({ message: "The addresses are changed.", color: "teal" });
    await refresh("/api/v1/gateway");
  };
  const said = error === null ? undefined : asApiError(error);
  return (
    <Paper withBorder p="md" maw={760}>
      <Stack gap="md">
        <TagsInput
          label="Addresses"
          description="host:port each, such as quell.example:8421. Empty: agents stay with the address that they dialled."
          placeholder={addresses.length === 0 ? "host:port, then Enter" : ""}
          value={addresses}
          error={said?.field("addresses") ?? said?.field("addresses[0]")}
          onChange={setAddresses}
        />
        <Text size="sm" c="dimmed">
          {now.source === "chosen" ? "They were chosen here." : "They are what the server was started with."} On the
          command line: <Code>quell server --advertise</Code>
        </Text>
        <Group gap="xs">
          <Deed
            why={why ?? (isSame ? "Nothing is changed." : undefined)}
            onClick={() => {
              ask(addresses);
            }}
          >
            Change
          </Deed>
          <Deed
            variant="default"
            why={why ?? (now.source === "chosen" ? undefined : "That is how it is.")}
            onClick={() => {
              ask([]);
            }}
          >
            Back to what the server was started with
          </Deed>
        </Group>
      </Stack>
      {asked === undefined ? null : (
        <Sure
          title="Send agents elsewhere"
          deed="Change"
          act={() => put(asked)}
          close={() => {
            ask(undefined);
          }}
        >
          <Note tone="warn">
            Every agent of the server is told: connected ones at once, others when they connect. They go on trying the
            address of their enrolment as well, and believe no gateway without the server’s certificate.
          </Note>
          <Text size="sm">
            Before: <b>{now.addresses.length === 0 ? "none" : inert(now.addresses.join(", "))}</b>
            <br />
            Then: <b>{asked.length === 0 ? "what the server was started with" : inert(asked.join(", "))}</b>
          </Text>
        </Sure>
      )}
    </Paper>
  );
}
