/// Where you are signed in, in all tenants; each can be ended.

import { Badge, Box, Button, Group, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMemo, useState } from "react";

import { $api, api, data, type Schemas } from "../../api/client";
import { PAGED, usePages } from "../../api/pages";
import { refresh } from "../../api/query";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { Sure } from "../../ui/Sure";
import { Time } from "../../ui/Time";
import { clip, inert } from "../../ui/text";
import { device } from "./device";
import { Section } from "../../ui/Section";

type Session = Schemas["Page_OpenSession"]["items"][number];

export function OpenSessions() {
  const sessions = usePages<Session>(
    $api.useInfiniteQuery("get", "/api/v1/sessions", { params: { query: { limit: 100 } } }, PAGED),
  );
  const tenants = $api.useQuery("get", "/api/v1/tenants");
  const names = useMemo(
    () => new Map((tenants.data?.items ?? []).map((tenant) => [tenant.id, tenant.name])),
    [tenants.data],
  );
  const [asked, ask] = useState<"others" | Session | undefined>();
  const others = sessions.rows.filter((session) => !session.current);
  const close = (): void => {
    ask(undefined);
  };
  return (
    <Stack gap="md">
      <Section
        title="Open sessions"
        about="A session ends by itself after twelve hours, or after an hour without use. One that you do not know: end it, and change your password."
        actions={
          <Deed
            variant="default"
            why={others.length === 0 ? "There are no others." : undefined}
            onClick={() => {
              ask("others");
            }}
          >
            End all others
          </Deed>
        }
      >
        <Failure error={sessions.error} retry={sessions.again} />
        <Box component="ul" m={0} p={0} style={{ listStyle: "none" }}>
          {sessions.rows.map((session) => (
            <Row
              key={session.id}
              session={session}
              tenant={names.get(session.tenant) ?? session.tenant.slice(0, 8)}
              end={() => {
                ask(session);
              }}
            />
          ))}
        </Box>
        {sessions.isMore ? (
          <Button variant="subtle" onClick={sessions.more} loading={sessions.isFetching}>
            More
          </Button>
        ) : null}
      </Section>
      {asked === "others" ? (
        <Sure title="End all other sessions" deed="End them" act={endOthers} close={close}>
          <Text size="sm">
            Every session of yours but this one ends at once, in every tenant, also those of the command line
            {others.length > 0 && !sessions.isMore ? ` (${String(others.length)})` : ""}. Signing in again begins a new
            one.
          </Text>
        </Sure>
      ) : null}
      {asked !== undefined && asked !== "others" ? (
        <Sure title="End the session" deed="End it" act={endOne(asked.id)} close={close}>
          <Text size="sm">
            The session of <Name length={60}>{device(asked.agent)}</Name> from <Name mono>{asked.remote}</Name> ends at
            once, with its live streams.
          </Text>
        </Sure>
      ) : null}
    </Stack>
  );
}

function Row({ session, tenant, end }: { session: Session; tenant: string; end: () => void }) {
  return (
    <Group
      component="li"
      justify="space-between"
      gap="xs"
      py="xs"
      wrap="nowrap"
      style={{ borderTop: "1px solid var(--quell-line)" }}
    >
      <Box miw={0}>
        <Group gap={8}>
          <Text span fw={600} title={clip(inert(session.agent), 300)}>
            <Name length={40}>{device(session.agent)}</Name>
          </Text>
          {session.current ? (
            <Badge variant="default" tt="none" style={{ flexShrink: 0 }}>
              this one
            </Badge>
          ) : null}
        </Group>
        <Text size="sm" c="dimmed" component="div">
          from <Name length={40}>{session.remote}</Name> · in <Name length={30}>{tenant}</Name> · by{" "}
          {session.method.replaceAll("+", " and ").replace("totp", "code")} · begun <Time at={session.created_at} /> ·
          last used <Time at={session.last_used_at} /> · ends <Time at={session.expires_at} />
        </Text>
      </Box>
      {session.current ? null : (
        <Button
          size="compact-sm"
          variant="default"
          style={{ flexShrink: 0 }}
          aria-label={`End the session from ${clip(inert(session.remote), 60)}`}
          onClick={end}
        >
          End
        </Button>
      )}
    </Group>
  );
}

async function endOthers(): Promise<void> {
  const { ended } = await data(api.POST("/api/v1/sessions/revoke-others"));
  notifications.show({ message: `Sessions ended: ${String(ended)}.`, color: "teal" });
  await refresh("/api/v1/sessions");
}

const endOne = (id: string) => async () => {
  await api.DELETE("/api/v1/sessions/{id}", { params: { path: { id } } });
  await refresh("/api/v1/sessions");
};
