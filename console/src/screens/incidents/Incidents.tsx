/// Incidents: what belongs together of what was detected, the newest first; live.

import { Button, Group } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconArrowUp, IconBug } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { useMemo, useRef, useState, type UIEvent } from "react";

import { $api } from "../../api/client";
import { PAGED, usePages } from "../../api/pages";
import { ID, oneOf, sift, someOf } from "../../app/rules";
import { useFilters, type Search } from "../../app/url";
import { DataTable } from "../../ui/DataTable";
import { Empty } from "../../ui/Empty";
import { Export } from "../../ui/Filters";
import { Odd } from "../../ui/Odd";
import { Page } from "../../ui/Page";
import { useChosen } from "../../ui/table/chosen";
import { count } from "../../ui/text";
import { useHold } from "../tasks/hold";
import { given } from "../tasks/schema";
import { isMoment, moment } from "../tasks/since";
import { Chosen } from "./Chosen";
import { columns, narrowColumns } from "./columns";
import { IncidentFilters } from "./IncidentFilters";
import type { Incident } from "./types";
import { RESOLUTIONS, SEVERITIES, STATES } from "./words";

const SORTS = ["last", "-last", "severity", "-severity", "number", "-number"] as const;

const RULES = {
  state: someOf(STATES),
  severity: someOf(SEVERITIES),
  resolution: someOf(RESOLUTIONS.map(({ value }) => value)),
  assignee: (value: string) => value === "me" || value === "none" || ID(value),
  endpoint: ID,
  technique: (value: string) => /^T\d{4}(\.\d{3})?$/.test(value),
  since: isMoment,
  until: isMoment,
  sort: oneOf(SORTS),
};

/** The words of the address as the API takes them. */
function useWanted(search: Search) {
  const { state, severity, resolution, assignee, endpoint, technique, text, since, until, sort } = search;
  return useMemo(
    () => ({
      state,
      severity,
      resolution,
      assignee,
      endpoint,
      technique,
      text,
      since: moment(since, Date.now()),
      until: moment(until, Date.now()),
      sort,
    }),
    [state, severity, resolution, assignee, endpoint, technique, text, since, until, sort],
  );
}

const ids = (incident: Incident): string => incident.id;
const to = (incident: Incident): string => `/incidents/${String(incident.number)}`;
const name = (incident: Incident): string => `incident ${String(incident.number)}`;

export default function Incidents() {
  const [search, set] = useFilters();
  const [understood, odd] = sift(search, RULES);
  const wanted = useWanted(understood);
  const query = useMemo(() => given(wanted), [wanted]);
  const answer = $api.useInfiniteQuery(
    "get",
    "/api/v1/incidents",
    { params: { query: { ...query, limit: 100, count: true } } },
    { ...PAGED, placeholderData: keepPreviousData },
  );
  const isNarrow = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const frame = useRef<HTMLDivElement>(null);
  const [isDown, setDown] = useState(false);
  const [pages, fresh] = useHold<Incident>(usePages<Incident>(answer), ids, isDown);
  const [chosen, choose] = useState<ReadonlySet<string>>(new Set());
  const rows = useChosen(chosen, pages.rows, ids);
  const { sort = "-last", ...filters } = query;
  return (
    <Page title="Incidents" about="What belongs together of what was detected, and how it is answered.">
      <IncidentFilters />
      <Odd words={odd} />
      <div
        ref={frame}
        onScrollCapture={(event: UIEvent) => {
          setDown((event.target as HTMLElement).scrollTop > 60);
        }}
      >
        <DataTable
          label="Incidents"
          columns={isNarrow ? narrowColumns : columns}
          pages={pages}
          id={ids}
          to={to}
          name={name}
          selection={{ ids: chosen, change: choose }}
          sort={sort}
          onSort={(next) => {
            set({ sort: next === "-last" ? undefined : next });
          }}
          of={JSON.stringify(query)}
          tools={
            <Group gap="xs">
              {fresh > 0 ? (
                <Button
                  size="compact-sm"
                  variant="light"
                  leftSection={<IconArrowUp size={14} aria-hidden />}
                  onClick={() => {
                    setDown(false);
                    frame.current?.querySelector("[data-testid=rows]")?.scrollTo({ top: 0 });
                  }}
                >
                  {count(fresh, "new incident")}
                </Button>
              ) : null}
              {chosen.size > 0 ? (
                <Chosen
                  incidents={[...rows.values()]}
                  none={() => {
                    choose(new Set());
                  }}
                />
              ) : null}
              <Export path="/api/v1/incidents" query={wanted} />
            </Group>
          }
          empty={
            Object.keys(filters).length > 0 ? (
              <Empty icon={IconBug} title="No incident is like that">
                Nothing matches these filters. Clear one of them, or look further back.
              </Empty>
            ) : (
              <Empty icon={IconBug} title="No incident yet">
                When the protection of an endpoint detects something, its agent sends the chain of processes around it,
                and what belongs together becomes an incident here: what happened, on which endpoints, and what can be
                done. What other products tell stands under Events.
              </Empty>
            )
          }
        />
      </div>
    </Page>
  );
}
