/// The details area of an event: what was detected, the response to it, and all activity events of its chain.

import { Anchor, Box, Group, SegmentedControl, Skeleton, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { $api } from "../../api/client";
import { holds, useMe } from "../../api/me";
import { useFilters, writeSearch } from "../../app/url";
import { Facts } from "../../ui/Facts";
import { Name } from "../../ui/Name";
import { Raw } from "../../ui/Raw";
import { Time } from "../../ui/Time";
import { Unread } from "../../ui/Unread";
import { CommandLine, deedRows, Digest, Long, processRows } from "../incidents/page/Fields";
import { eventPlace } from "../incidents/page/place";
import { DetectionIcon, Severity, Verdict } from "../incidents/Severity";
import { Techniques } from "../incidents/Techniques";
import type { WholeDetection } from "../incidents/types";
import { kindWords, processName, sourceWords } from "../incidents/words";
import { EventActivities } from "./EventActivities";
import { EventResponse } from "./EventResponse";

/** What finds by rules of the protection. */
const RULED = ["behaviour", "yara"];

export function EventPanel({ id, isOfIncident }: { id: string; isOfIncident: boolean }) {
  const answer = $api.useQuery("get", "/api/v1/detections/{id}", { params: { path: { id } } });
  const event = answer.data;
  if (event === undefined) {
    return (
      <Unread answer={answer}>
        <Skeleton height={300} />
      </Unread>
    );
  }
  return <Panel event={event} isOfIncident={isOfIncident} />;
}

function Panel({ event, isOfIncident }: { event: WholeDetection; isOfIncident: boolean }) {
  const [search, set] = useFilters();
  const isList = search["list"] === "activity" && event.is_edr && event.incident != null;
  return (
    <Stack gap="sm" data-detection-id={event.id}>
      <Box>
        <Group gap={8} wrap="nowrap" align="flex-start">
          <Severity severity={event.severity} isShort />
          <Title order={2} size="h3" style={{ overflowWrap: "anywhere" }}>
            <Name length={200}>{event.title}</Name>
          </Title>
        </Group>
        <Group gap={10} mt={4}>
          {event.verdict == null ? null : <Verdict verdict={event.verdict} />}
          {event.incident == null ? null : (
            <Anchor size="sm" component={Link} to={`/incidents/${String(event.incident.number)}`}>
              Incident #{event.incident.number}
            </Anchor>
          )}
        </Group>
      </Box>
      <EventResponse event={event} />
      {event.is_edr && event.incident != null ? (
        <SegmentedControl
          fullWidth
          size="xs"
          aria-label="What of it"
          value={isList ? "activity" : "event"}
          onChange={(next) => {
            set({ list: next === "activity" ? next : undefined, at: undefined });
          }}
          data={[
            { value: "event", label: "The event" },
            { value: "activity", label: "All activity events" },
          ]}
        />
      ) : null}
      {isList ? <EventActivities event={event} /> : <Known event={event} isOfIncident={isOfIncident} />}
    </Stack>
  );
}

function Known({ event, isOfIncident }: { event: WholeDetection; isOfIncident: boolean }) {
  const key = event.key_activity ?? undefined;
  const { process } = event;
  return (
    <>
      <Facts
        rows={[
          ["When", <Time key="at" at={event.at} />],
          [
            "Told as",
            event.told_at == null ? undefined : <Name key="told">{`${event.told_at}, which cannot be`}</Name>,
          ],
          ["Received", <Time key="received" at={event.received_at} />],
          [
            "Endpoint",
            event.endpoint == null ? undefined : (
              <Anchor key="endpoint" size="sm" component={Link} to={`/endpoints/${event.endpoint.id}`}>
                <Name length={60}>{event.endpoint.name}</Name>
              </Anchor>
            ),
          ],
          [
            "As the product names it",
            event.endpoint_hint == null ? undefined : <Name key="hint">{event.endpoint_hint}</Name>,
          ],
          ["Source", <Name key="source">{sourceWords(event.source)}</Name>],
          ["Rule", event.rule === "" ? undefined : <Rule key="rule" event={event} />],
          [
            "Techniques",
            event.techniques.length === 0 ? undefined : <Techniques key="t" ids={event.techniques} most={8} />,
          ],
          ["User", event.user == null ? undefined : <Name key="user">{event.user}</Name>],
          [
            "Path",
            event.path == null ? undefined : (
              <Long key="path" text={event.path} hex={event.path_hex} label="the path" />
            ),
          ],
          ["SHA-256", event.sha256 == null ? undefined : <Digest key="sha" sha256={event.sha256} />],
          [
            "Note",
            event.note == null ? undefined : (
              <Name key="note" length={600}>
                {event.note}
              </Name>
            ),
          ],
          [
            "In this incident because",
            event.joined == null ? undefined : (
              <Name key="joined" length={300}>
                {event.joined}
              </Name>
            ),
          ],
        ]}
      />
      {key === undefined ? null : (
        <Stack gap="xs" component="section" aria-label="Key activity event">
          <Group gap={6}>
            <DetectionIcon />
            <Title order={3} size="sm">
              Key activity event: {kindWords(key.kind).toLowerCase()}
            </Title>
          </Group>
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            <Name length={300}>{key.summary}</Name>
          </Text>
          <Facts rows={deedRows(key)} />
          {process == null || process.image == null ? null : <CommandLine image={process.image} />}
          {process == null ? null : <Facts rows={[["Process", processName(process)], ...processRows(process)]} />}
          {event.incident == null || isOfIncident ? null : (
            <Anchor
              size="sm"
              component={Link}
              to={`/incidents/${String(event.incident.number)}?at=${encodeURIComponent(eventPlace(key))}`}
            >
              See it in the chain
            </Anchor>
          )}
        </Stack>
      )}
      {event.record == null ? null : <Raw value={event.record} label="What the product told" />}
    </>
  );
}

/** The rule that hit; where it is one of ours, with the way to what is done about its hits. */
function Rule({ event }: { event: WholeDetection }) {
  const me = useMe();
  const name = <Name length={120}>{event.rule}</Name>;
  if (!RULED.includes(event.source) || !holds(me, "protection.read")) return name;
  return (
    <Anchor
      size="sm"
      component={Link}
      to={`/settings/protection${writeSearch({ tab: "rules", source: event.source, text: event.rule })}`}
    >
      {name}
    </Anchor>
  );
}
