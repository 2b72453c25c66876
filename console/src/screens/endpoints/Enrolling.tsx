/// After a token was made: the command, until when it is good, and the endpoints that came with it, live.

import { Alert, Box, Button, Code, Group, Loader, Stack, Tabs, Text } from "@mantine/core";
import { IconCircleCheck } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";

import { $api, type Schemas } from "../../api/client";
import { holds, useMe } from "../../api/me";
import { Copy } from "../../ui/Copy";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { count, inertLines } from "../../ui/text";
import { Time } from "../../ui/Time";
import { tone } from "../../ui/tone";
import classes from "./cells.module.css";

/** Milliseconds between two looks whether somebody came. */
const LOOK = 2000;

type Made = Schemas["MadeEnrolmentToken"];

type Way = { id: string; label: string; text: string; sha256?: string };

export function Enrolling({ token, close }: { token: Made; close: () => void }) {
  const ways = useWays(token);
  const came = useCame(token);
  return (
    <Stack gap="sm">
      <Text size="sm">
        On the new endpoint, as root. The text is shown this once. It enrols {count(token.max_uses, "machine")}, and
        ends <Time at={token.expires_at} />
      </Text>
      {ways.length === 1 ? (
        <Command text={ways[0]?.text ?? ""} label="Command" />
      ) : (
        // The values become ids, in which no blank may stand.
        <Tabs defaultValue={ways[0]?.id ?? ""} keepMounted={false}>
          <Tabs.List>
            {ways.map((way) => (
              <Tabs.Tab key={way.id} value={way.id}>
                {way.label}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {ways.map((way) => (
            <Tabs.Panel key={way.id} value={way.id} pt="xs">
              <Command text={way.text} label={way.label} />
              {way.sha256 === undefined ? null : (
                <Text size="xs" c="dimmed" mt={4} style={{ overflowWrap: "anywhere" }}>
                  It fetches the installer from this server and runs it only if its SHA-256 is {way.sha256}. The token
                  goes to it on its standard input.
                </Text>
              )}
            </Tabs.Panel>
          ))}
        </Tabs>
      )}
      <Failure error={came.error} />
      <Box aria-live="polite">
        {came.endpoints.length === 0 && came.uses === 0 ? (
          <Group gap="xs">
            <Loader size="xs" aria-hidden />
            <Text size="sm">Waiting for the endpoint. You can close this: it appears in the list by itself.</Text>
          </Group>
        ) : (
          <Alert
            color="green"
            styles={tone("ok")}
            variant="outline"
            icon={<IconCircleCheck aria-hidden />}
            title={came.title}
          >
            <Stack gap={4}>
              {came.endpoints.map((endpoint) => (
                <Link key={endpoint.id} to={`/endpoints/${endpoint.id}`} className={classes.link}>
                  <Name>{endpoint.name}</Name>
                </Link>
              ))}
              {came.uses < token.max_uses ? (
                <Group gap="xs">
                  <Loader size="xs" aria-hidden />
                  <Text size="sm">Waiting for {count(token.max_uses - came.uses, "more", "more")}.</Text>
                </Group>
              ) : null}
            </Stack>
          </Alert>
        )}
      </Box>
      <Group justify="flex-end">
        <Button variant={came.uses > 0 ? "filled" : "default"} onClick={close}>
          Close
        </Button>
      </Group>
    </Stack>
  );
}

function Command({ text, label }: { text: string; label: string }) {
  return (
    <Group gap="xs" align="flex-start" wrap="nowrap">
      <Code block className={classes.command} tabIndex={0} aria-label={label}>
        {inertLines(text)}
      </Code>
      <Copy value={text} label="Copy the command" />
    </Group>
  );
}

/** The commands that enrol: the server's own where it makes them, else the two of the agent. */
function useWays(token: Made): Way[] {
  const me = useMe();
  const { data } = $api.useQuery("get", "/api/v1/gateway/addresses", undefined, {
    enabled: holds(me, "gateway.read"),
    staleTime: 60_000,
  });
  const gateway = data?.addresses[0] ?? `${window.location.hostname}:8421`;
  const own = {
    id: "agent",
    label: "The agent is there already",
    text: `quell-agent enrol --server ${gateway} --token ${token.text}\nquell-agent run`,
  };
  const { install } = token;
  if (install === null || install === undefined) return [own];
  return [
    { id: "curl", label: "With curl", text: install.curl, sha256: install.sha256 },
    { id: "wget", label: "With wget", text: install.wget, sha256: install.sha256 },
    own,
  ];
}

type Came = { uses: number; title: string; error: unknown; endpoints: { id: string; name: string }[] };

/** Who came with the token: the audit trail names it. Without the permission to read that, how many. */
function useCame(token: Made): Came {
  const me = useMe();
  const tokens = $api.useQuery(
    "get",
    "/api/v1/enrolment-tokens",
    { params: { query: { limit: 100 } } },
    { refetchInterval: LOOK, enabled: holds(me, "token.read") },
  );
  const trail = $api.useQuery(
    "get",
    "/api/v1/audit",
    { params: { query: { verb: "endpoint.enrol", since: token.created_at, limit: 200 } } },
    { refetchInterval: LOOK, enabled: holds(me, "audit.read") },
  );
  const seen = new Map<string, string>();
  for (const record of trail.data?.items ?? []) {
    const detail = record.detail as { token?: unknown } | null;
    if (detail?.token === token.id) seen.set(record.object_id, record.actor_name || record.object_id);
  }
  const uses = Math.max(tokens.data?.items.find((each) => each.id === token.id)?.uses ?? 0, seen.size);
  return {
    uses,
    error: trail.error ?? tokens.error,
    title: uses === token.max_uses ? "It is here" : `${String(uses)} of ${String(token.max_uses)} are here`,
    endpoints: [...seen].map(([id, name]) => ({ id, name })),
  };
}
