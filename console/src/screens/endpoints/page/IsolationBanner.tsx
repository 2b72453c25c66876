/// That an endpoint is cut off: since when, by whom, until when, why, and the ways back.

import { Alert, Button, Group, Text } from "@mantine/core";
import { IconLockOpen, IconShieldLock } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { useAct } from "../../../act/start";
import { $api, api, data } from "../../../api/client";
import { holds, useMe } from "../../../api/me";
import { Copy } from "../../../ui/Copy";
import { Deed } from "../../../ui/Deed";
import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import { Time } from "../../../ui/Time";
import { tone } from "../../../ui/tone";
import { useOffers, useWhyNot } from "../actions";
import type { Endpoint } from "../row";
import { isolationOf } from "./isolation";

export function IsolationBanner({ endpoint }: { endpoint: Endpoint }) {
  const me = useMe();
  const act = useAct();
  const offers = useOffers();
  const isolation = isolationOf(endpoint.isolation);
  const path = { id: isolation?.task ?? "" };
  const { data: task } = $api.useQuery(
    "get",
    "/api/v1/tasks/{id}",
    { params: { path } },
    { enabled: isolation?.task !== undefined && holds(me, "task.read") },
  );
  if (isolation === undefined) return null;
  const back = offers.find(
    ({ action }) => action.id === offers.find((each) => each.action.id === task?.action)?.action.undone_by,
  );
  return (
    <Alert
      variant="outline"
      color="orange"
      styles={tone("warn")}
      icon={<IconShieldLock aria-hidden />}
      title="Isolated: it is cut off the network, except for this server"
      mb="sm"
    >
      <Text size="sm" component="div">
        Since <Time at={isolation.since} />
        {task ? (
          <>
            {" "}
            by <Name length={60}>{task.requester.name}</Name>: “<Name length={200}>{task.reason}</Name>”
          </>
        ) : null}{" "}
        ·{" "}
        {task?.revert_at ? (
          <>
            it is restored by itself <Time at={task.revert_at} />
          </>
        ) : (
          "it stays so until somebody restores it"
        )}
      </Text>
      <Group gap="xs" mt="xs">
        {back ? (
          <Deed
            size="compact-sm"
            why={endpoint.state === "active" ? back.why : "Its identity is revoked: no order reaches it any more."}
            leftSection={<IconLockOpen size={14} aria-hidden />}
            onClick={() => {
              act({ action: back.action.id, endpoints: [endpoint.id] });
            }}
          >
            {back.action.title}…
          </Deed>
        ) : null}
        {isolation.task ? (
          <Button component={Link} to={`/tasks/${isolation.task}`} size="compact-sm" variant="default">
            The task
          </Button>
        ) : null}
        {isolation.command ? <Release command={isolation.command} tags={endpoint.tags} /> : null}
      </Group>
    </Alert>
  );
}

/** The code that ends the isolation at the machine itself, where it is asked for. */
function Release({ command, tags }: { command: string; tags: string[] }) {
  const [code, setCode] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const why = useWhyNot("secret.read", tags);
  const read = async (): Promise<void> => {
    setError(null);
    try {
      const path = { id: command };
      setCode((await data(api.POST("/api/v1/commands/{id}/release-code", { params: { path } })))?.release_code ?? null);
    } catch (failure) {
      setError(failure);
    }
  };
  if (code !== null) {
    return (
      <Group gap={4} wrap="nowrap">
        <Text size="sm">
          Type at the machine, once: <code>quell-agent release</code>, then <b translate="no">{code}</b>
        </Text>
        <Copy value={code} label="Copy the release code" />
      </Group>
    );
  }
  return (
    <>
      <Deed size="compact-sm" variant="default" why={why} onClick={() => void read()}>
        Show the release code (audited)
      </Deed>
      <Failure error={error} />
    </>
  );
}
