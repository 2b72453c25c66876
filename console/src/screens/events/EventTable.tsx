/// Events of all origins, or those of one incident, with what is known of the chosen one on the right; live.

import { Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconRadar2 } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { useMemo } from "react";

import { $api } from "../../api/client";
import { PAGED, usePages } from "../../api/pages";
import { ID, oneOf, sift, someOf } from "../../app/rules";
import { useFilters, writeSearch, type Search } from "../../app/url";
import { Empty } from "../../ui/Empty";
import { Export, Filters, type Choice } from "../../ui/Filters";
import { LiveTable } from "../../ui/LiveTable";
import { Odd } from "../../ui/Odd";
import { COMMON, several, SEVERITY } from "../incidents/filters";
import { Since } from "../incidents/IncidentFilters";
import { Split } from "../incidents/page/Split";
import { TechniqueBox } from "../incidents/TechniqueBox";
import type { Detection, WholeIncident } from "../incidents/types";
import { sourceWords, VERDICTS } from "../incidents/words";
import { EndpointBox } from "../tasks/EndpointBox";
import { given } from "../tasks/schema";
import { moment } from "../tasks/since";
import { columns, narrowColumns } from "./columns";
import { EventPanel } from "./EventPanel";

const SOURCES = ["block_list", "yara", "behaviour", "asked", "falco", "wazuh", "suricata", "ocsf"];

const RULES = {
  ...COMMON,
  origin: oneOf(["endpoint", "product"]),
  verdict: someOf(VERDICTS),
  incident: (value: string) => value === "none" || /^\d{1,12}$/.test(value) || ID(value),
  sort: oneOf(["at", "-at", "severity", "-severity", "received", "-received"]),
  event: ID,
};

function choicesOf(isOfOne: boolean): Choice[] {
  return [
    SEVERITY,
    {
      name: "origin",
      label: "Origin",
      options: [
        { value: "endpoint", label: "Endpoints" },
        { value: "product", label: "Other products" },
      ],
      width: 140,
    },
    several("source", "Source", SOURCES, sourceWords),
    several("verdict", "Verdict", VERDICTS),
    ...(isOfOne
      ? []
      : [{ name: "incident", label: "Incident", options: [{ value: "none", label: "Of no incident" }], width: 150 }]),
  ];
}

/** The words of the address as the API takes them. */
function useWanted(search: Search, of: string | undefined) {
  const { origin, source, severity, verdict, incident, endpoint, technique, text, since, until, sort } = search;
  return useMemo(
    () => ({
      origin,
      source,
      severity,
      verdict,
      incident: of ?? incident,
      endpoint,
      technique,
      text,
      since: moment(since, Date.now()),
      until: moment(until, Date.now()),
      sort,
    }),
    [origin, source, severity, verdict, of, incident, endpoint, technique, text, since, until, sort],
  );
}

const ids = (event: Detection): string => event.id;

export function EventTable({ incident }: { incident?: WholeIncident }) {
  const [search, set] = useFilters();
  const [understood, odd] = sift(search, RULES);
  const wanted = useWanted(understood, incident?.id);
  const query = useMemo(() => given(wanted), [wanted]);
  const answer = $api.useInfiniteQuery(
    "get",
    "/api/v1/detections",
    { params: { query: { ...query, limit: 100, count: true } } },
    { ...PAGED, placeholderData: keepPreviousData },
  );
  const isNarrow = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const pages = usePages<Detection>(answer);
  const shown = understood["event"];
  const path = incident === undefined ? "/events" : `/incidents/${String(incident.number)}`;
  const choices = useMemo(() => choicesOf(incident !== undefined), [incident]);
  const table = (
    <LiveTable
      label="Events"
      one="event"
      columns={columns}
      narrowColumns={narrowColumns}
      pages={pages}
      id={ids}
      to={(event) => `${path}${writeSearch({ ...search, event: event.id })}`}
      name={(event) => `event ${event.title}`}
      {...(shown === undefined ? {} : { current: shown })}
      sort={query.sort ?? "-at"}
      onSort={(next) => {
        set({ sort: next === "-at" ? undefined : next });
      }}
      of={JSON.stringify(query)}
      tools={<Export path="/api/v1/detections" query={wanted} />}
      empty={
        <None isFiltered={Object.keys(query).some((name) => name !== "sort" && !(incident && name === "incident"))} />
      }
    />
  );
  return (
    <>
      <Filters
        search="text"
        choices={choices}
        {...(incident === undefined ? { views: "events" } : {})}
        own={["endpoint", "technique", "since", "until"]}
      >
        <EndpointBox />
        <TechniqueBox />
        <Since />
      </Filters>
      <Odd words={odd} />
      {shown === undefined && isNarrow ? (
        table
      ) : (
        <Split
          label="Details of the event"
          details={
            shown === undefined ? (
              <Text size="sm" c="dimmed">
                Choose an event: what is known of it stands here, with what can be done about it.
              </Text>
            ) : (
              <EventPanel key={shown} id={shown} isOfIncident={incident !== undefined} />
            )
          }
          isChosen={shown !== undefined}
          unchoose={() => {
            set({ event: undefined, at: undefined, list: undefined });
          }}
        >
          {table}
        </Split>
      )}
    </>
  );
}

function None({ isFiltered }: { isFiltered: boolean }) {
  return isFiltered ? (
    <Empty icon={IconRadar2} title="No event is like that">
      Nothing matches these filters. Clear one of them, or look further back.
    </Empty>
  ) : (
    <Empty icon={IconRadar2} title="Nothing was detected yet">
      Events come from the protection of endpoints (block list, YARA and behaviour rules) and from other products that
      are pointed here: Falco, Wazuh, Suricata and whatever speaks OCSF, by <code>POST /api/v1/ingest/…</code>.
    </Empty>
  );
}
