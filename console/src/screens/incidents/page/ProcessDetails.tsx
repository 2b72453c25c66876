/// One process: what it ran, for whom, from whom it came, what it did and started, and what can be done about it.

import { Anchor, Box, Button, Group, Loader, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { $api } from "../../../api/client";
import { Facts } from "../../../ui/Facts";
import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import { count } from "../../../ui/text";
import type { Node } from "../chain/tree";
import { OfferButtons } from "../respond/OfferButtons";
import { DetectionIcon, Severity } from "../Severity";
import { Techniques } from "../Techniques";
import type { WholeIncident } from "../types";
import { kindWords, processName } from "../words";
import { EventLine } from "./EventLine";
import { CommandLine, imageRows, processRows } from "./Fields";
import { eventPlace, processPlace } from "./place";
import { useActivity } from "./useActivity";
import classes from "./page.module.css";

/** Children named, and events shown. */
const NAMED = 12;
const SHOWN = 30;

type Props = {
  incident: Pick<WholeIncident, "id" | "number">;
  node: Node;
  go: (at: string | undefined) => void;
};

export function ProcessDetails({ incident, node, go }: Props) {
  const { process } = node;
  return (
    <Stack gap="sm" data-process={process.pid}>
      <Box>
        <Group gap={6} wrap="nowrap">
          {process.severity == null ? null : <Severity severity={process.severity} isShort />}
          <Title order={2} size="h3" style={{ overflowWrap: "anywhere" }}>
            <Name length={80}>{processName(process)}</Name>
          </Title>
          {process.is_key ? <DetectionIcon size={18} about="Detection: a key event is of this process" /> : null}
        </Group>
        <Text size="xs" c="dimmed">
          Process {process.pid}
          {process.user == null ? null : (
            <>
              {" as "}
              <Name length={40}>{process.user}</Name>
            </>
          )}
        </Text>
      </Box>
      <Started incident={incident} node={node} />
      <Kin node={node} go={go} />
      {process.image == null ? null : <CommandLine image={process.image} />}
      <Facts
        rows={[
          ...(process.image == null ? [] : imageRows(process.image)),
          ...processRows(process),
          [
            "Techniques",
            process.techniques.length === 0 ? undefined : <Techniques key="t" ids={process.techniques} most={8} />,
          ],
        ]}
      />
      <Deeds incident={incident} node={node} go={go} />
    </Stack>
  );
}

/** What can be done about a process is offered for the event that it was started by. */
function Started({ incident, node }: Omit<Props, "go">) {
  const { process } = node;
  const query = {
    chain: process.chain,
    process: `${String(process.pid)}:${String(process.start)}`,
    kind: "start",
    limit: 1,
  };
  const start = $api.useQuery("get", "/api/v1/incidents/{id}/activity", {
    params: { path: { id: incident.id }, query: { ...query, sort: "-at" } },
  });
  const first = start.data?.items[0];
  const event = useActivity(incident.id, first === undefined ? undefined : { chain: first.chain, activity: first.id });
  if (start.error !== null || event.error !== null) return <Failure error={start.error ?? event.error} />;
  if (start.data !== undefined && first === undefined) {
    return (
      <Text size="sm" c="dimmed">
        Its start is not in the chain, so nothing is offered for the process itself. Look at its events.
      </Text>
    );
  }
  if (event.data === undefined) return <Loader size="xs" aria-label="Reading what can be done" />;
  return (
    <Box component="section" aria-label="What can be done">
      <OfferButtons
        incident={incident}
        offers={event.data.offers}
        about={{ chain: event.data.chain, activity: event.data.id }}
        notYours={event.data.not_yours}
      />
    </Box>
  );
}

/** Where it came from, and what came of it. */
function Kin({ node, go }: Omit<Props, "incident">) {
  const { parent, children } = node;
  const to = (each: Node) => (
    <Anchor
      key={each.key}
      size="sm"
      component="button"
      type="button"
      onClick={() => {
        go(processPlace(each.process));
      }}
    >
      <Name length={28}>{processName(each.process)}</Name>, {each.process.pid}
      {each.process.is_key ? (
        <>
          {" "}
          <DetectionIcon size={13} />
        </>
      ) : null}
    </Anchor>
  );
  const named = [...children].sort((one, other) => Number(other.leads) - Number(one.leads)).slice(0, NAMED);
  return (
    <Facts
      rows={[
        ["Started by", parent === undefined ? undefined : to(parent)],
        [
          `Started ${count(children.length, "process", "processes")}`,
          children.length === 0 ? undefined : (
            <Group key="children" gap="4px 12px">
              {named.map(to)}
              {children.length > named.length ? (
                <Text size="sm" c="dimmed">
                  and {children.length - named.length} more
                </Text>
              ) : null}
            </Group>
          ),
        ],
      ]}
    />
  );
}

/** What it did, in order of time. */
function Deeds({ incident, node, go }: Props) {
  const { process } = node;
  const key = `${String(process.pid)}:${String(process.start)}`;
  const answer = $api.useQuery("get", "/api/v1/incidents/{id}/activity", {
    params: { path: { id: incident.id }, query: { chain: process.chain, process: key, limit: SHOWN } },
  });
  const events = answer.data?.items ?? [];
  const all = `/incidents/${String(incident.number)}?tab=activity&process=${encodeURIComponent(`${process.chain}/${key}`)}`;
  return (
    <Box component="section" aria-label="What it did">
      <Group justify="space-between">
        <Title order={3} size="sm">
          What it did
        </Title>
        <Text size="xs" c="dimmed">
          {Object.entries(process.activity_counts)
            .filter(([, number]) => number > 0)
            .map(([kind, number]) => `${kindWords(kind).toLowerCase()} ${number.toLocaleString("en")}`)
            .join(", ")}
        </Text>
      </Group>
      <Failure error={answer.error} />
      <ul className={classes.events}>
        {events.map((event) => (
          <li key={event.id}>
            <EventLine
              event={event}
              choose={() => {
                go(eventPlace(event));
              }}
            />
          </li>
        ))}
      </ul>
      {answer.data?.next == null ? null : (
        <Button
          size="compact-sm"
          variant="default"
          mt={6}
          renderRoot={(props: Record<string, unknown>) => <Link {...props} to={all} />}
        >
          All activity events of it
        </Button>
      )}
    </Box>
  );
}
