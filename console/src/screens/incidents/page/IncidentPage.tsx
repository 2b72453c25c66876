/// One incident: what happened, where, what can be done, and what was.

import { Alert, Anchor, Badge, Group, Skeleton, Stack, Tabs, Text } from "@mantine/core";
import { IconArrowMerge } from "@tabler/icons-react";
import { Link, useParams } from "@tanstack/react-router";
import { lazy, Suspense } from "react";

import { holds, useMe } from "../../../api/me";
import { useFilters } from "../../../app/url";
import { Page } from "../../../ui/Page";
import { Stale } from "../../../ui/Stale";
import { tone } from "../../../ui/tone";
import { Time } from "../../../ui/Time";
import { Unread } from "../../../ui/Unread";
import type { WholeIncident } from "../types";
import { Deeds } from "./Deeds";
import { Head } from "./Head";
import { useIncident } from "./useIncident";

const ChainTab = lazy(() => import("./ChainTab"));
const TimelineTab = lazy(() => import("./TimelineTab"));
const DetectionsTab = lazy(() => import("./DetectionsTab"));
const ResponsesTab = lazy(() => import("./ResponsesTab"));
const AttackTab = lazy(() => import("./AttackTab"));
const NotesTab = lazy(() => import("./NotesTab"));

export default function IncidentPage() {
  const { id = "" } = useParams({ strict: false });
  const answer = useIncident(id);
  if (answer.data === undefined) {
    return (
      <Page title="Incident">
        <Unread answer={answer}>
          <Skeleton height={90} mb="md" />
          <Skeleton height={420} />
        </Unread>
      </Page>
    );
  }
  const { data: incident, tag } = answer.data;
  return (
    <>
      <Stale error={answer.error} at={answer.dataUpdatedAt} retry={() => void answer.refetch()} mb="md" />
      <Whole key={incident.id} incident={incident} tag={tag} />
    </>
  );
}

function Whole({ incident, tag }: { incident: WholeIncident; tag: string }) {
  const me = useMe();
  const [search, set] = useFilters();
  const tabs = [
    { value: "chain", label: "Chain", count: incident.chain_count, tab: ChainTab },
    { value: "activity", label: "All activity events", count: undefined, tab: TimelineTab },
    { value: "detections", label: "Detections", count: incident.detection_count, tab: DetectionsTab },
    ...(holds(me, "task.read")
      ? [{ value: "responses", label: "Response actions", count: incident.task_count, tab: ResponsesTab }]
      : []),
    { value: "attack", label: "ATT&CK", count: undefined, tab: AttackTab },
    { value: "notes", label: "Notes", count: incident.note_count, tab: NotesTab },
  ];
  const tab = tabs.find(({ value }) => value === search["tab"])?.value ?? "chain";
  return (
    <Page
      title={`#${String(incident.number)} ${incident.title}`}
      about={
        <span>
          {incident.detection_count === 1 ? "Detected" : "First detected"} <Time at={incident.first_at} />
          {incident.detection_count > 1 ? (
            <>
              , last <Time at={incident.last_at} />
            </>
          ) : null}
        </span>
      }
      actions={<Deeds incident={incident} tag={tag} />}
    >
      <Stack gap="md">
        <Merged incident={incident} />
        <Head incident={incident} tag={tag} />
        <Tabs
          value={tab}
          keepMounted={false}
          onChange={(next) => {
            // Filters of one tab say nothing in another; what is chosen in the chain stays chosen.
            set({
              ...Object.fromEntries(Object.keys(search).map((key) => [key, undefined])),
              at: search["at"],
              chain: search["chain"],
              tab: next === "chain" || next === null ? undefined : next,
            });
          }}
        >
          <Tabs.List mb="sm">
            {tabs.map(({ value, label, count }) => (
              <Tabs.Tab
                key={value}
                value={value}
                rightSection={
                  count === undefined || count === 0 ? null : (
                    <Badge size="sm" variant="default" tt="none">
                      {count.toLocaleString("en")}
                    </Badge>
                  )
                }
              >
                {label}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {tabs.map(({ value, tab: Shown }) => (
            <Tabs.Panel key={value} value={value}>
              <Suspense fallback={<Skeleton height={320} />}>
                <Shown incident={incident} />
              </Suspense>
            </Tabs.Panel>
          ))}
        </Tabs>
      </Stack>
    </Page>
  );
}

function Merged({ incident }: { incident: WholeIncident }) {
  const into = incident.merged_into;
  if (into == null) return null;
  return (
    <Alert variant="outline" styles={tone("quiet")} icon={<IconArrowMerge aria-hidden />} title="It was merged" py={8}>
      <Group gap={6}>
        <Text size="sm">What it held goes on as</Text>
        <Anchor size="sm" component={Link} to={`/incidents/${String(into.number)}`}>
          incident #{into.number}
        </Anchor>
      </Group>
    </Alert>
  );
}
