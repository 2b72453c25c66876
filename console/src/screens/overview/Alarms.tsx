/// What a person should look at on an endpoint, and say that they did.

import { Anchor, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { api, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { refresh } from "../../api/query";
import { AskWhy } from "../../ui/AskWhy";
import { Deed } from "../../ui/Deed";
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
  const send = async (reason: string): Promise<void> => {
    const body = { reason, ...(endpoint.alarm ? { alarm: endpoint.alarm } : {}) };
    await api.POST("/api/v1/endpoints/{id}/acknowledge", { params: { path: { id: endpoint.id } }, body });
    await refresh("/api/v1/overview", "/api/v1/endpoints");
  };
  return (
    <AskWhy title="Acknowledge an alarm" deed="Acknowledge" label="What did you find?" act={send} close={close}>
      <Text size="sm">
        <b>
          <Name length={80}>{endpoint.name}</Name>
        </b>
        : <Name length={600}>{endpoint.alarm}</Name>
      </Text>
      <Text size="sm" c="dimmed">
        It is taken away; the audit trail keeps it. What gave rise to it can raise it again.
      </Text>
    </AskWhy>
  );
}
