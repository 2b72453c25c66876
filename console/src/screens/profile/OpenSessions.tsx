/// Where you are signed in, in all tenants; each can be ended.

import { Badge, Button, Group, Stack, Table, Text } from "@mantine/core";
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
        <Table.ScrollContainer minWidth={560}>
          <Table aria-label="Open sessions">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>With</Table.Th>
                <Table.Th>From</Table.Th>
                <Table.Th>Tenant</Table.Th>
                <Table.Th>By</Table.Th>
                <Table.Th>Last used</Table.Th>
                <Table.Th>Ends</Table.Th>
                <Table.Th aria-label="What can be done" />
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {sessions.rows.map((session) => (
                <Table.Tr key={session.id}>
                  <Table.Td>
                    <Group gap={6} wrap="nowrap">
                      <span title={clip(inert(session.agent), 300)}>
                        <Name length={40}>{device(session.agent)}</Name>
                      </span>
                      {session.current ? (
                        <Badge variant="default" tt="none">
                          this one
                        </Badge>
                      ) : null}
                    </Group>
                  </Table.Td>
                  <Table.Td>
                    <Name length={40} mono>
                      {session.remote}
                    </Name>
                  </Table.Td>
                  <Table.Td>
                    <Name length={30}>{names.get(session.tenant) ?? session.tenant.slice(0, 8)}</Name>
                  </Table.Td>
                  <Table.Td>{session.method.replaceAll("+", " and ").replace("totp", "code")}</Table.Td>
                  <Table.Td>
                    <Time at={session.last_used_at} />
                  </Table.Td>
                  <Table.Td>
                    <Time at={session.expires_at} />
                  </Table.Td>
                  <Table.Td ta="right">
                    {session.current ? null : (
                      <Button
                        size="compact-sm"
                        variant="default"
                        aria-label={`End the session from ${clip(inert(session.remote), 60)}`}
                        onClick={() => {
                          ask(session);
                        }}
                      >
                        End
                      </Button>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
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

async function endOthers(): Promise<void> {
  const { ended } = await data(api.POST("/api/v1/sessions/revoke-others"));
  notifications.show({ message: `Sessions ended: ${String(ended)}.`, color: "teal" });
  await refresh("/api/v1/sessions");
}

const endOne = (id: string) => async () => {
  await api.DELETE("/api/v1/sessions/{id}", { params: { path: { id } } });
  await refresh("/api/v1/sessions");
};
