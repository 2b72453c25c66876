/// All activity events of an incident in order of time, filtered, with what is chosen on the right.

import { Button, Group, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconTimelineEvent, IconX } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { useMemo } from "react";

import { $api } from "../../../api/client";
import { PAGED, usePages } from "../../../api/pages";
import { oneOf, sift, someOf, type Rule } from "../../../app/rules";
import { useFilters, writeSearch } from "../../../app/url";
import { DataTable, type Column } from "../../../ui/DataTable";
import { Empty } from "../../../ui/Empty";
import { Export, Filters, type Choice } from "../../../ui/Filters";
import { Name } from "../../../ui/Name";
import { Odd } from "../../../ui/Odd";
import { clip, inert } from "../../../ui/text";
import { given } from "../../tasks/schema";
import { treeOf } from "../chain/tree";
import { DetectionIcon, kindIcon } from "../Severity";
import { TechniqueBox } from "../TechniqueBox";
import { Techniques } from "../Techniques";
import type { Activity, WholeIncident } from "../types";
import { clockWords, KINDS, kindWords, processName } from "../words";
import { Details } from "./Details";
import { Gaps } from "./Gaps";
import { eventPlace, parsePlace } from "./place";
import { Split } from "./Split";
import { useChain } from "./useIncident";
import classes from "../incidents.module.css";

const PROCESS = /^([0-9a-f-]{36})\/(\d{1,16}:\d{1,16})$/;
const isProcess: Rule = (value) => PROCESS.test(value);

const RULES = {
  kind: someOf(KINDS),
  technique: (value: string) => /^T\d{4}(\.\d{3})?$/.test(value),
  key: oneOf(["true"]),
  sort: oneOf(["at", "-at"]),
  process: isProcess,
};

const CHOICES: Choice[] = [
  {
    name: "kind",
    label: "Kind of event",
    isMany: true,
    options: KINDS.map((value) => ({ value, label: kindWords(value) })),
    width: 190,
  },
  { name: "key", label: "All events", options: [{ value: "true", label: "Key events alone" }], width: 160 },
];

function columnsOf(hasSeveral: boolean): Column<Activity>[] {
  return [
    {
      id: "what",
      title: "What happened",
      width: "minmax(240px, 3fr)",
      isNarrow: true,
      cell: (event) => <What event={event} />,
    },
    {
      id: "at",
      title: "When",
      width: "106px",
      sort: "at",
      isNarrow: true,
      cell: (event) => <span data-hint-time={event.at}>{clockWords(event.at)}</span>,
    },
    {
      id: "process",
      title: "Process",
      width: "minmax(110px, 0.9fr)",
      cell: (event) => (
        <>
          <Name length={32}>{processName(event.process)}</Name>{" "}
          <Text component="span" size="xs" c="dimmed">
            {event.process.pid}
          </Text>
        </>
      ),
    },
    {
      id: "techniques",
      title: "Technique",
      width: "minmax(96px, 0.6fr)",
      cell: (event) => <Techniques ids={event.techniques} most={1} isLine />,
    },
    {
      id: "endpoint",
      title: "Endpoint",
      width: "minmax(90px, 0.6fr)",
      isExtra: !hasSeveral,
      cell: (event) => <Name length={40}>{event.endpoint.name}</Name>,
    },
    {
      id: "user",
      title: "User",
      width: "100px",
      isExtra: true,
      cell: (event) => <Name length={40}>{event.process.user}</Name>,
    },
  ];
}

function What({ event }: { event: Activity }) {
  const Kind = kindIcon(event.kind);
  return (
    <span className={classes.title}>
      {event.is_key ? <DetectionIcon /> : null}
      <Kind
        size={16}
        role="img"
        aria-label={kindWords(event.kind)}
        style={{ flex: "none" }}
        data-hint={kindWords(event.kind)}
      />
      <span>
        <Name length={200}>{event.summary}</Name>
      </span>
    </span>
  );
}

const ids = (event: Activity): string => `${event.chain}/${String(event.id)}`;

export default function TimelineTab({ incident }: { incident: WholeIncident }) {
  const [search, set] = useFilters();
  const [understood, odd] = sift(search, RULES);
  const isNarrow = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const { kind, technique, key, sort, process } = understood;
  const [, ofChain, ofProcess] = PROCESS.exec(process ?? "") ?? [];
  const chain = ofChain ?? search["chain"];
  const wanted = useMemo(
    () => ({ kind, technique, key, sort, process: ofProcess, chain }),
    [kind, technique, key, sort, ofProcess, chain],
  );
  const query = useMemo(() => given({ ...wanted, key: key === "true" ? true : undefined }), [wanted, key]);
  const answer = $api.useInfiniteQuery(
    "get",
    "/api/v1/incidents/{id}/activity",
    { params: { path: { id: incident.id }, query: { ...query, limit: 200 } } },
    { ...PAGED, placeholderData: keepPreviousData },
  );
  const pages = usePages<Activity>(answer);
  const place = parsePlace(search["at"]);
  const whole = useChain(incident.id, undefined, place?.kind === "process");
  const tree = useMemo(() => (whole.data === undefined ? undefined : treeOf(whole.data.processes)), [whole.data]);
  const columns = useMemo(() => columnsOf(incident.endpoint_count > 1), [incident.endpoint_count]);
  const path = `/incidents/${String(incident.number)}`;
  return (
    <>
      <Filters choices={CHOICES} own={["technique", "process"]}>
        <TechniqueBox />
        {ofProcess === undefined ? null : (
          <Group gap={4}>
            <Button
              variant="default"
              rightSection={<IconX size={14} aria-hidden />}
              onClick={() => {
                set({ process: undefined });
              }}
            >
              Process {clip(inert(ofProcess.split(":")[0] ?? ""), 12)} alone
            </Button>
          </Group>
        )}
      </Filters>
      <Odd words={odd} />
      <Gaps chains={incident.chains} isCut={false} />
      <Split
        label="Details"
        details={
          <Details
            incident={incident}
            place={place}
            tree={tree}
            go={(at) => {
              set({ at });
            }}
          />
        }
        isChosen={place !== undefined}
        unchoose={() => {
          set({ at: undefined });
        }}
      >
        <DataTable
          label="Activity events"
          columns={columns}
          pages={pages}
          id={ids}
          to={(event) => `${path}${writeSearch({ ...search, tab: "activity", at: eventPlace(event) })}`}
          name={(event) => `${kindWords(event.kind)} ${String(event.id)}`}
          {...(place?.kind === "event" ? { current: `${place.chain}/${String(place.activity)}` } : {})}
          sort={sort ?? "at"}
          onSort={(next) => {
            set({ sort: next === "at" ? undefined : next });
          }}
          of={JSON.stringify(query)}
          tools={isNarrow ? null : <Export path={`/api/v1/incidents/${incident.id}/activity`} query={wanted} />}
          empty={
            Object.keys(query).length > 0 ? (
              <Empty icon={IconTimelineEvent} title="No event is like that">
                Nothing of the chain matches these filters. Clear one of them.
              </Empty>
            ) : (
              <Empty icon={IconTimelineEvent} title="No activity events">
                No chain was built for this incident: its events come from other products, or their endpoints sent none.
              </Empty>
            )
          }
        />
      </Split>
    </>
  );
}
