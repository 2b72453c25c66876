/// What an endpoint is: what waits for it, how it is, and what its agent says of the machine.

import { Card, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { $api } from "../../../api/client";
import { holds, useMe } from "../../../api/me";
import { Copy } from "../../../ui/Copy";
import { Facts } from "../../../ui/Facts";
import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import { Raw } from "../../../ui/Raw";
import { State } from "../../../ui/State";
import { inert, words } from "../../../ui/text";
import { Time } from "../../../ui/Time";
import classes from "../cells.module.css";
import { capabilitiesOf, useOffers } from "../actions";
import type { Endpoint, EndpointWithHealth } from "../row";
import { grouped, isPlain } from "./facts";
import { Health } from "./Health";

export function About({ endpoint }: { endpoint: EndpointWithHealth }) {
  const said = grouped(endpoint.facts);
  return (
    <Stack gap="md">
      <Waiting endpoint={endpoint} />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Part title="Health">
          <Health endpoint={endpoint} />
        </Part>
        <Part title="Identity">
          <Identity endpoint={endpoint} />
        </Part>
        {said.map(([group, facts]) => (
          <Part key={group} title={group} about="as its agent says">
            <Facts rows={facts.map(({ name, value }) => [name, <Value key={name} name={name} value={value} />])} />
          </Part>
        ))}
        <Part title="What its agent can do">
          <Capabilities endpoint={endpoint} />
        </Part>
      </SimpleGrid>
    </Stack>
  );
}

function Part({ title, about, children }: { title: string; about?: string; children: ReactNode }) {
  return (
    <Card withBorder padding="sm">
      <Title order={2} mb="xs">
        {title}
        {about ? (
          <Text span size="sm" c="dimmed" fw={400}>
            {" "}
            · {about}
          </Text>
        ) : null}
      </Title>
      {children}
    </Card>
  );
}

function Value({ name, value }: { name: string; value: unknown }) {
  if (!isPlain(value)) return <Raw value={value} label={name} mah={220} />;
  if (!Array.isArray(value)) return <Name length={200}>{String(value)}</Name>;
  return (
    <Stack gap={2}>
      {value.slice(0, 64).map((each, index) => (
        <Name key={`${String(each)} ${String(index)}`} length={120}>
          {String(each)}
        </Name>
      ))}
    </Stack>
  );
}

function Identity({ endpoint }: { endpoint: Endpoint }) {
  return (
    <Facts
      rows={[
        ["Id", <Long key="id" text={endpoint.id} label="Copy the id" />],
        ["Enrolled", <Time key="enrolled" at={endpoint.enrolled_at} />],
        ["Fingerprint", <Long key="fingerprint" text={endpoint.fingerprint} label="Copy the fingerprint" />],
        ["Certificate", <Long key="serial" text={endpoint.certificate_serial} label="Copy the serial" />],
        ["Certificate ends", <Time key="end" at={endpoint.certificate_not_after} />],
      ]}
    />
  );
}

function Long({ text, label }: { text: string; label: string }) {
  return (
    <span className={classes.long}>
      <code>{inert(text)}</code> <Copy value={text} label={label} />
    </span>
  );
}

function Capabilities({ endpoint }: { endpoint: Endpoint }) {
  const capable = capabilitiesOf(endpoint.capabilities) ?? new Set<string>();
  const offers = useOffers();
  if (capable.size === 0) return <Text size="sm">Its agent named nothing.</Text>;
  const known = new Map(offers.map(({ action }) => [action.id, action]));
  return (
    <Facts
      rows={[...capable]
        .slice(0, 100)
        .map((id) => [
          inert(known.get(id)?.title ?? words(id)),
          known.get(id)?.effect.replace("_", " ") ?? "not in this server’s catalogue",
        ])}
    />
  );
}

/** Requests for it that have not ended, and what each waits for. */
function Waiting({ endpoint }: { endpoint: Endpoint }) {
  const me = useMe();
  const mayRead = holds(me, "task.read");
  const { data, error } = $api.useQuery(
    "get",
    "/api/v1/tasks",
    { params: { query: { endpoint: endpoint.id, state: "open", limit: 20 } } },
    { enabled: mayRead },
  );
  if (error !== null) return <Failure error={error} />;
  if (!mayRead || data === undefined || data.items.length === 0) return null;
  return (
    <Part title="Not ended yet">
      <Stack gap="xs">
        {data.items.map((task) => (
          <div key={task.id} className={classes.waiting}>
            <State state={task.state} reason={task.reason_code} />
            <Link to={`/tasks/${task.id}`} className={classes.link}>
              {task.title}
            </Link>
            <Text size="sm" c="dimmed" component="span">
              {waitsFor(task.state, endpoint.connected)} · <Name length={100}>{task.reason}</Name> · asked{" "}
              <Time at={task.created_at} /> by <Name length={40}>{task.requester.name}</Name> · not begun after{" "}
              <Time at={task.expires_at} />
            </Text>
          </div>
        ))}
      </Stack>
    </Part>
  );
}

function waitsFor(state: string, isConnected: boolean): string {
  if (state === "pending_approval") return "waits until somebody approves it";
  if (state === "queued") return isConnected ? "is handed over" : "waits until the endpoint connects";
  return "is carried out";
}
