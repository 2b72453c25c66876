/// What a person should look at on an endpoint, and say that they did.

import { Anchor, Button, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";

import { $api, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { asApiError } from "../../api/problem";
import { refresh } from "../../api/query";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { Time } from "../../ui/Time";
import { Part, Some } from "./Part";
import classes from "./Overview.module.css";

type Endpoint = Schemas["Endpoint"];

/** Nothing where no endpoint has an alarm. */
export function Alarms({ endpoints }: { endpoints: Endpoint[] }) {
  if (endpoints.length === 0) return null;
  return (
    <Part title="Alarms" all={{ to: "/endpoints?alarm=true", says: "Endpoints with an alarm" }}>
      <Some rows={endpoints} most={6} draw={(endpoint) => <Alarm key={endpoint.id} endpoint={endpoint} />} />
    </Part>
  );
}

function Alarm({ endpoint }: { endpoint: Endpoint }) {
  const me = useMe();
  const [isOpen, setOpen] = useState(false);
  return (
    <li className={classes.row}>
      <IconAlertTriangle size={18} color="var(--quell-bad)" aria-hidden />
      <div className={classes.what}>
        <Anchor component={Link} to={`/endpoints/${endpoint.id}`} size="sm" fw={600}>
          <Name length={80}>{endpoint.name}</Name>
        </Anchor>
        <Text size="sm">
          <Name length={400}>{endpoint.alarm}</Name>
        </Text>
        <Text size="xs" c="dimmed">
          last heard <Time at={endpoint.last_seen_at} empty="never" />
        </Text>
      </div>
      <Deed
        size="compact-sm"
        variant="default"
        why={whyNot(me, "endpoint.acknowledge")}
        onClick={() => {
          setOpen(true);
        }}
      >
        Acknowledge
      </Deed>
      {isOpen ? (
        <Acknowledge
          endpoint={endpoint}
          close={() => {
            setOpen(false);
          }}
        />
      ) : null}
    </li>
  );
}

function Acknowledge({ endpoint, close }: { endpoint: Endpoint; close: () => void }) {
  const [reason, setReason] = useState("");
  const send = $api.useMutation("post", "/api/v1/endpoints/{id}/acknowledge");
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const body = { reason, ...(endpoint.alarm ? { alarm: endpoint.alarm } : {}) };
    const done = await send.mutateAsync({ params: { path: { id: endpoint.id } }, body }).catch(() => undefined);
    if (done === undefined) return;
    await refresh("/api/v1/overview", "/api/v1/endpoints");
    close();
  };
  return (
    <Modal opened onClose={close} title="Acknowledge an alarm">
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="sm" style={{ overflowWrap: "anywhere" }}>
          <Text size="sm">
            <b>
              <Name length={80}>{endpoint.name}</Name>
            </b>
            : <Name length={600}>{endpoint.alarm}</Name>
          </Text>
          <Text size="sm" c="dimmed">
            It is taken away; the audit trail keeps it. What gave rise to it can raise it again.
          </Text>
          <Textarea
            label="What did you find?"
            required
            data-autofocus
            autosize
            minRows={2}
            maxRows={8}
            maxLength={2000}
            value={reason}
            onChange={(event) => {
              setReason(event.currentTarget.value);
            }}
            error={send.error === null ? undefined : asApiError(send.error).field("reason")}
          />
          <Failure error={send.error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Leave it
            </Button>
            <Button type="submit" loading={send.isPending}>
              Acknowledge
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
