/// What can be done with a webhook.

import { Button, Checkbox, Group, Loader, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";

import { $api, api, data, type Schemas } from "../../../api/client";
import { refresh } from "../../../api/query";
import { Ask } from "../../../ui/Ask";
import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import { NameInput } from "../../../ui/NameInput";
import { Once, OnceNote } from "../../../ui/Once";
import { State } from "../../../ui/State";
import { Sure } from "../../../ui/Sure";
import { KindPick } from "../notices/kinds";

export type Webhook = Schemas["Webhook"];
export type Asked = { deed: "new" } | { deed: "edit" | "rotate" | "remove" | "test"; webhook: Webhook };

const PATH = "/api/v1/webhooks";

export function WebhookDeeds({ asked, close }: { asked: Asked; close: () => void }) {
  switch (asked.deed) {
    case "new":
      return <Form close={close} />;
    case "edit":
      return <Form webhook={asked.webhook} close={close} />;
    case "rotate":
      return <Rotate webhook={asked.webhook} close={close} />;
    case "remove":
      return <Remove webhook={asked.webhook} close={close} />;
    case "test":
      return <Test webhook={asked.webhook} close={close} />;
  }
}

function Form({ webhook, close }: { webhook?: Webhook; close: () => void }) {
  const [name, setName] = useState(webhook?.name ?? "");
  const [url, setUrl] = useState(webhook?.url ?? "");
  const [kinds, setKinds] = useState(webhook?.kinds ?? []);
  const [active, setActive] = useState(webhook === undefined || webhook.state === "active");
  const [made, setMade] = useState<Schemas["WebhookWithSecret"] | undefined>();
  if (made !== undefined) return <Secret title="The webhook is made" made={made} close={close} />;
  const send = async () => {
    const body = { name, url: url.trim(), kinds, active };
    if (webhook !== undefined) {
      await api.PUT("/api/v1/webhooks/{id}", { params: { path: { id: webhook.id } }, body });
      await refresh(PATH);
      return;
    }
    setMade(await data(api.POST(PATH, { body })));
    void refresh(PATH);
    return "stay" as const;
  };
  return (
    <Ask
      title={webhook === undefined ? "New webhook" : "Change the webhook"}
      deed={webhook === undefined ? "Make it" : "Save"}
      size="lg"
      act={send}
      close={close}
    >
      {(field) => (
        <>
          <NameInput value={name} change={setName} error={field("name")} />
          <TextInput
            required
            type="url"
            label="Address"
            description="https. Where it may lead, the server was told when it was started."
            placeholder="https://siem.example.org/quell"
            maxLength={2000}
            value={url}
            error={field("url")}
            onChange={(event) => {
              setUrl(event.currentTarget.value);
            }}
          />
          <KindPick
            value={kinds}
            change={setKinds}
            error={field("kinds")}
            description="Of what it is told; of everything where none is chosen."
          />
          <Checkbox
            label="It is told of notices"
            checked={active}
            onChange={(event) => {
              setActive(event.currentTarget.checked);
            }}
          />
        </>
      )}
    </Ask>
  );
}

function Secret({ title, made, close }: { title: string; made: Schemas["WebhookWithSecret"]; close: () => void }) {
  return (
    <Modal opened onClose={close} title={title} size="lg" closeOnClickOutside={false} closeOnEscape={false}>
      <Stack gap="sm">
        <Text size="sm">
          <b>
            <Name length={60}>{made.name}</Name>
          </b>{" "}
          verifies posts with this secret: the header webhook-signature is the HMAC-SHA-256 of id, timestamp and body.
        </Text>
        <OnceNote />
        <Once label="Secret" value={made.secret} />
        <Group justify="flex-end">
          <Button onClick={close}>Done</Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function Rotate({ webhook, close }: { webhook: Webhook; close: () => void }) {
  const [made, setMade] = useState<Schemas["WebhookWithSecret"] | undefined>();
  if (made !== undefined) return <Secret title="A new secret" made={made} close={close} />;
  const send = async () => {
    setMade(await data(api.POST("/api/v1/webhooks/{id}/rotate", { params: { path: { id: webhook.id } } })));
    void refresh(PATH);
    return "stay" as const;
  };
  return (
    <Sure title="A new secret" deed="Make a new secret" act={send} close={close}>
      <Text size="sm">
        Posts to{" "}
        <b>
          <Name length={60}>{webhook.name}</Name>
        </b>{" "}
        carry two signatures for a day, one of each secret. Then the one before is good no more: give the new one to the
        receiver within that day.
      </Text>
    </Sure>
  );
}

function Remove({ webhook, close }: { webhook: Webhook; close: () => void }) {
  const send = async () => {
    await api.DELETE("/api/v1/webhooks/{id}", { params: { path: { id: webhook.id } } });
    await refresh(PATH);
  };
  return (
    <Sure title="Remove the webhook" deed="Remove" act={send} close={close}>
      <Text size="sm">
        <b>
          <Name length={60}>{webhook.name}</Name>
        </b>{" "}
        (<Name length={100}>{webhook.url}</Name>) is told of nothing any more, and what waits for it is dropped. This
        cannot be taken back; a new one has a new secret.
      </Text>
    </Sure>
  );
}

function Test({ webhook, close }: { webhook: Webhook; close: () => void }) {
  const test = $api.useMutation("post", "/api/v1/webhooks/{id}/test");
  const { mutate } = test;
  useEffect(() => {
    mutate({ params: { path: { id: webhook.id } } });
  }, [mutate, webhook.id]);
  return (
    <Modal opened onClose={close} title="A test">
      <Stack gap="sm" aria-live="polite">
        {test.isPending ? <Loader size="sm" aria-label="Posting" /> : null}
        <Failure error={test.error} />
        {test.data === undefined ? null : <Tried tried={test.data} to={webhook.name} />}
      </Stack>
    </Modal>
  );
}

/** How a test went. */
export function Tried({ tried, to }: { tried: Schemas["Tried"]; to: string }) {
  return tried.sent ? (
    <State state="sent" label={`The other side took it`} />
  ) : (
    <>
      <State state="failed" label="It did not arrive" />
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        <Name length={60}>{to}</Name>: <Name length={500}>{tried.problem}</Name>
      </Text>
    </>
  );
}
