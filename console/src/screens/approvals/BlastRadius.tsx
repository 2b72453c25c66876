/// What it would touch: each target, who is there, what protects it, what else waits, and the way back.

import { Alert, Anchor, Box, Group, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";

import { $api } from "../../api/client";
import { Facts } from "../../ui/Facts";
import { Name } from "../../ui/Name";
import { clip, count, inert, words } from "../../ui/text";
import { duration } from "../../ui/Time";
import classes from "./Approvals.module.css";
import { blastOf, warningsOf, type Blast, type Request } from "./request";

/** Targets whose present state is read. */
const READ = 8;

export function BlastRadius({ request }: { request: Request }) {
  const blast = blastOf(request);
  const actions = $api.useQuery("get", "/api/v1/actions", undefined, { staleTime: Infinity });
  const back = actions.data?.find((action) => action.id === blast.undoneBy)?.title ?? blast.undoneBy;
  const warnings = warningsOf(request).filter((warning) => warning.tone !== "quiet");
  const rest = blast.targets - blast.endpoints.length;
  return (
    <Box className={classes.box}>
      <Title order={2} size="h3" mb={6}>
        Blast radius: {count(blast.targets, "endpoint")}
      </Title>
      {warnings.length > 0 ? (
        <Alert variant="outline" color="orange" py={8} mb="sm" icon={<IconAlertTriangle aria-hidden />}>
          <Stack gap={2}>
            {warnings.map((warning) => (
              <Text key={warning.id} size="sm">
                <bdi>{clip(inert(warning.about), 1000)}</bdi>
              </Text>
            ))}
          </Stack>
        </Alert>
      ) : null}
      <ul className={classes.targets}>
        {blast.endpoints.map((endpoint, index) => (
          <Target key={endpoint.id} endpoint={endpoint} blast={blast} isRead={index < READ} />
        ))}
      </ul>
      {rest > 0 ? (
        <Text size="sm" mt={6}>
          and {count(rest, "more", "more")}:{" "}
          <Anchor
            renderRoot={(props: Record<string, unknown>) => (
              <Link {...props} to={"/tasks/$id" as never} params={{ id: request.task } as never} />
            )}
          >
            the task names them all
          </Anchor>
        </Text>
      ) : null}
      <Box mt="sm">
        <Facts
          rows={[
            [
              "Way back",
              blast.isReadOnly
                ? "It changes nothing."
                : back === undefined
                  ? "None: what it does cannot be undone."
                  : blast.isPiecewise
                    ? `Piece by piece, a request for each thing that it changed: ${back}.`
                    : `Undone by ${back}.`,
            ],
            [
              "Undoes itself",
              blast.revertAfter === undefined ? undefined : `${duration(blast.revertAfter * 1000)} after its effect`,
            ],
            ["Risk", blast.risk === "" ? undefined : words(blast.risk)],
            [
              "What else is there",
              blast.pending === 0
                ? "Nothing waited or ran on them when it was asked."
                : `${count(blast.pending, "command")} waited or ran on them when it was asked.`,
            ],
            ["Isolated already", blast.isolated === 0 ? undefined : count(blast.isolated, "endpoint")],
          ]}
        />
      </Box>
      <Title order={3} size="sm" mt="md" mb={4}>
        Why it is asked
      </Title>
      <ol className={classes.steps}>
        {request.trace.map((line, index) => (
          <li key={`${String(index)} ${line}`}>
            <bdi>{clip(inert(line), 600)}</bdi>
          </li>
        ))}
      </ol>
    </Box>
  );
}

function Target({ endpoint, blast, isRead }: { endpoint: Blast["endpoints"][number]; blast: Blast; isRead: boolean }) {
  const then = blast.loggedOn.find((one) => one.endpoint === endpoint.name)?.users ?? [];
  const why = blast.protected.find((one) => one.endpoint === endpoint.name)?.why;
  return (
    <li>
      <Anchor
        fw={600}
        size="sm"
        renderRoot={(props: Record<string, unknown>) => (
          <Link {...props} to={"/endpoints/$id" as never} params={{ id: endpoint.id } as never} />
        )}
      >
        <Name length={60}>{endpoint.name}</Name>
      </Anchor>
      {isRead ? <Now id={endpoint.id} /> : null}
      {why === undefined ? null : (
        <Text size="xs" c="var(--quell-bad)" fw={600}>
          protected: <Name length={60}>{why}</Name>
        </Text>
      )}
      {then.length > 0 ? (
        <Text size="xs" c="var(--quell-warn)">
          logged on when asked: <Name length={120}>{then.join(", ")}</Name>
        </Text>
      ) : null}
    </li>
  );
}

/** How the endpoint is now, beside how it was when it was asked. */
function Now({ id }: { id: string }) {
  const { data } = $api.useQuery("get", "/api/v1/endpoints/{id}", { params: { path: { id } } });
  if (data === undefined) return null;
  const users = (data.facts as { logged_on?: unknown }).logged_on;
  const now = Array.isArray(users) ? users.filter((user): user is string => typeof user === "string") : [];
  return (
    <Group gap={8} component="span">
      <Text size="xs" component="span" c={data.connected ? "var(--quell-ok)" : "dimmed"}>
        {data.state !== "active" ? words(data.state) : data.connected ? "connected" : "not connected: it will wait"}
      </Text>
      {data.isolation ? (
        <Text size="xs" component="span" c="var(--quell-warn)">
          isolated
        </Text>
      ) : null}
      <Text size="xs" component="span" c="dimmed">
        {words(data.os)}
        {data.tags.length > 0 ? (
          <>
            {" · "}
            <Name length={80}>{data.tags.join(", ")}</Name>
          </>
        ) : null}
        {now.length > 0 ? (
          <>
            {" · now logged on: "}
            <Name length={80}>{now.join(", ")}</Name>
          </>
        ) : null}
      </Text>
    </Group>
  );
}
