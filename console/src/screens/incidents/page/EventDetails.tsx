/// One activity event: what happened, what was detected on it, who did it, what can be done and what was.

import { Anchor, Box, Divider, Group, Skeleton, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { Facts } from "../../../ui/Facts";
import { Name } from "../../../ui/Name";
import { State } from "../../../ui/State";
import { Time } from "../../../ui/Time";
import { Unread } from "../../../ui/Unread";
import type { Tree } from "../chain/tree";
import { OfferButtons } from "../respond/OfferButtons";
import { DetectionIcon, kindIcon, Severity, Verdict } from "../Severity";
import { Techniques } from "../Techniques";
import type { Hit, WholeActivity, WholeIncident } from "../types";
import { clockWords, dayWords, kindWords, processName, sourceWords } from "../words";
import { CommandLine, deedRows, processRows } from "./Fields";
import { processPlace, type Place } from "./place";
import { useActivity } from "./useActivity";

type Props = {
  incident: Pick<WholeIncident, "id" | "number">;
  place: Extract<Place, { kind: "event" }>;
  tree?: Tree | undefined;
  go: (at: string | undefined) => void;
};

export function EventDetails({ incident, place, go }: Props) {
  const answer = useActivity(incident.id, place);
  if (answer.data === undefined) {
    return (
      <Unread answer={answer}>
        <Skeleton height={260} />
      </Unread>
    );
  }
  return <Shown key={`${place.chain} ${String(place.activity)}`} incident={incident} event={answer.data} go={go} />;
}

function Shown({ incident, event, go }: { incident: Props["incident"]; event: WholeActivity; go: Props["go"] }) {
  const Kind = kindIcon(event.kind);
  return (
    <Stack gap="sm" data-event={event.id}>
      <Box>
        <Group gap={6} wrap="nowrap">
          <Kind size={18} aria-hidden />
          <Title order={2} size="h3">
            {kindWords(event.kind)}
          </Title>
          {event.is_key ? <DetectionIcon size={18} /> : null}
        </Group>
        <Text size="sm" mt={2} style={{ overflowWrap: "anywhere" }}>
          <Name length={400}>{event.summary}</Name>
        </Text>
        <Text size="xs" c="dimmed">
          {dayWords(event.at)}, {clockWords(event.at)} · <Time at={event.at} /> on{" "}
          <Name length={40}>{event.endpoint.name}</Name>
        </Text>
      </Box>
      <Hits hits={event.detections} />
      <Box component="section" aria-label="What can be done">
        <OfferButtons
          incident={incident}
          offers={event.offers}
          about={{ chain: event.chain, activity: event.id }}
          notYours={event.not_yours}
        />
      </Box>
      <Asked tasks={event.tasks} />
      {event.image == null ? null : <CommandLine image={event.image} />}
      <Facts
        rows={[
          ...deedRows(event),
          [
            "Techniques",
            event.techniques.length === 0 ? undefined : <Techniques key="t" ids={event.techniques} most={8} />,
          ],
        ]}
      />
      <Divider />
      <Doer event={event} go={go} />
    </Stack>
  );
}

/** What was detected on it. */
export function Hits({ hits }: { hits: Hit[] }) {
  if (hits.length === 0) return null;
  return (
    <Stack gap={6} component="section" aria-label="What was detected">
      {hits.map((hit) => (
        <Group key={hit.id} gap={8} wrap="nowrap" align="flex-start">
          <Severity severity={hit.severity} isShort />
          <Box miw={0}>
            <Anchor
              size="sm"
              fw={600}
              component={Link}
              to={`/events?event=${hit.id}`}
              style={{ overflowWrap: "anywhere" }}
            >
              <Name length={200}>{hit.title}</Name>
            </Anchor>
            <Group gap={8}>
              <Text size="xs" c="dimmed">
                {sourceWords(hit.source)}
              </Text>
              <Verdict verdict={hit.verdict} />
            </Group>
          </Box>
        </Group>
      ))}
    </Stack>
  );
}

/** What was asked for on it. */
function Asked({ tasks }: { tasks: WholeActivity["tasks"] }) {
  if (tasks.length === 0) return null;
  return (
    <Box component="section" aria-label="Response actions on this event">
      <Text size="xs" c="dimmed">
        Asked for on it
      </Text>
      {tasks.slice(0, 20).map((task) => (
        <Group key={task.id} gap={8} justify="space-between" wrap="nowrap">
          <Anchor size="sm" component={Link} to={`/tasks/${task.id}`}>
            {task.title}
          </Anchor>
          <State state={task.state} reason={task.reason_code} />
        </Group>
      ))}
    </Box>
  );
}

function Doer({ event, go }: { event: WholeActivity; go: Props["go"] }) {
  const { doer } = event;
  const to = processPlace({ chain: event.chain, ...event.process });
  return (
    <Stack gap="xs" component="section" aria-label="Who did it">
      <Group justify="space-between" gap="xs">
        <Title order={3} size="sm">
          {event.kind === "start" ? "The process" : "Who did it"}
        </Title>
        <Anchor
          size="sm"
          component="button"
          type="button"
          onClick={() => {
            go(to);
          }}
        >
          <Name length={30}>{processName(doer ?? event.process)}</Name>, {event.process.pid}
        </Anchor>
      </Group>
      {doer == null ? (
        <Text size="sm" c="dimmed">
          The chain does not have this process.
        </Text>
      ) : (
        <>
          {event.kind === "start" || doer.image == null ? null : <CommandLine image={doer.image} />}
          <Facts rows={processRows(doer)} />
        </>
      )}
    </Stack>
  );
}
