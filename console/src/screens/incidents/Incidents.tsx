/// Incidents: what belongs together of what was detected, the newest first; live.

import { IconBug } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { useMemo } from "react";

import { $api } from "../../api/client";
import { PAGED, usePages } from "../../api/pages";
import { ID, oneOf, sift, someOf } from "../../app/rules";
import { useFilters, type Search } from "../../app/url";
import { Empty } from "../../ui/Empty";
import { Export } from "../../ui/Filters";
import { LiveTable } from "../../ui/LiveTable";
import { Odd } from "../../ui/Odd";
import { Page } from "../../ui/Page";
import { useSelection } from "../../ui/table/chosen";
import { given } from "../tasks/schema";
import { moment } from "../tasks/since";
import { Chosen } from "./Chosen";
import { columns, narrowColumns } from "./columns";
import { COMMON } from "./filters";
import { IncidentFilters } from "./IncidentFilters";
import type { Incident } from "./types";
import { RESOLUTIONS, STATES } from "./words";

const SORTS = ["last", "-last", "severity", "-severity", "number", "-number"] as const;

const RULES = {
  ...COMMON,
  state: someOf(STATES),
  resolution: someOf(RESOLUTIONS.map(({ value }) => value)),
  assignee: (value: string) => value === "me" || value === "none" || ID(value),
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
  const pages = usePages<Incident>(answer);
  const { selection, chosen, none } = useSelection<Incident>(pages.rows, ids);
  const { sort = "-last", ...filters } = query;
  return (
    <Page title="Incidents" about="What belongs together of what was detected, and how it is answered.">
      <IncidentFilters />
      <Odd words={odd} />
      <LiveTable
        label="Incidents"
        one="incident"
        columns={columns}
        narrowColumns={narrowColumns}
        pages={pages}
        id={ids}
        to={to}
        name={name}
        selection={selection}
        sort={sort}
        onSort={(next) => {
          set({ sort: next === "-last" ? undefined : next });
        }}
        of={JSON.stringify(query)}
        tools={
          <>
            {chosen.length > 0 ? <Chosen incidents={chosen} none={none} /> : null}
            <Export path="/api/v1/incidents" query={wanted} />
          </>
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
    </Page>
  );
}
