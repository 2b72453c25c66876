/// Response actions: the tasks that were asked for from incidents, live, with the way back.

import { Anchor } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconShieldBolt } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import { $api } from "../../api/client";
import { PAGED, usePages } from "../../api/pages";
import { ID, oneOf, sift, someOf } from "../../app/rules";
import { useFilters } from "../../app/url";
import { DataTable, type Column } from "../../ui/DataTable";
import { Empty } from "../../ui/Empty";
import { Export } from "../../ui/Filters";
import { Odd } from "../../ui/Odd";
import { eventPlace } from "../incidents/page/place";
import { columns as taskColumns, narrowColumns } from "../tasks/columns";
import { given } from "../tasks/schema";
import { isMoment, moment } from "../tasks/since";
import { FROM, STATES, TaskFilters } from "../tasks/TaskFilters";
import { sayTargets, type Task } from "../tasks/words";

const RULES = {
  state: someOf(["open", "ended", ...STATES]),
  from: oneOf(FROM),
  endpoint: ID,
  requester: ID,
  since: isMoment,
  until: isMoment,
};

/** Where it was asked for: the incident, and the event that it is about. */
function Origin({ task }: { task: Task }) {
  const { incident } = task;
  if (incident == null) return "–";
  const name = incident.number == null ? "incident" : `#${String(incident.number)}`;
  const at =
    incident.chain == null || incident.activity == null
      ? ""
      : `?at=${encodeURIComponent(eventPlace({ chain: incident.chain, id: incident.activity }))}`;
  return (
    <Anchor size="sm" component={Link} to={`/incidents/${String(incident.number ?? incident.id)}${at}`}>
      {name}
      {at === "" ? "" : ", its event"}
    </Anchor>
  );
}

const incidentColumn: Column<Task> = {
  id: "incident",
  title: "Incident",
  width: "110px",
  cell: (task) => <Origin task={task} />,
};

const planColumn: Column<Task> = {
  id: "plan",
  title: "Plan",
  width: "84px",
  cell: (task) =>
    task.plan == null ? (
      "–"
    ) : (
      <Anchor size="sm" component={Link} to={`/response-plans/${task.plan}`}>
        plan
      </Anchor>
    ),
};

const OWN = ["action", "target", "state", "description", "reason", "requester", "created", "last"];

/** Those of every incident (`any`), or of one. */
export function ActionTable({ incident }: { incident: string }) {
  const [search] = useFilters();
  const [understood, odd] = sift(search, RULES);
  const { state, action, requester, from, endpoint, since, until, text } = understood;
  const wanted = useMemo(
    () => ({
      incident,
      state,
      action,
      requester,
      created_from: from,
      endpoint,
      since: moment(since, Date.now()),
      until: moment(until, Date.now()),
      text,
    }),
    [incident, state, action, requester, from, endpoint, since, until, text],
  );
  const query = useMemo(() => given(wanted), [wanted]);
  const answer = $api.useInfiniteQuery(
    "get",
    "/api/v1/tasks",
    { params: { query: { ...query, limit: 100 } } },
    { ...PAGED, placeholderData: keepPreviousData },
  );
  const isNarrow = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const columns = useMemo(() => {
    const own = taskColumns.filter(({ id }) => OWN.includes(id));
    return [
      ...own.slice(0, 3),
      ...(incident === "any" ? [incidentColumn] : [{ ...incidentColumn, title: "Event" }]),
      planColumn,
      ...own.slice(3),
      ...taskColumns.filter(({ id }) => !OWN.includes(id)).map((column) => ({ ...column, isExtra: true })),
    ];
  }, [incident]);
  return (
    <>
      <TaskFilters />
      <Odd words={odd} />
      <DataTable
        label="Response actions"
        columns={isNarrow ? narrowColumns : columns}
        pages={usePages<Task>(answer)}
        id={(task) => task.id}
        to={(task) => `/tasks/${task.id}`}
        name={(task) => `${task.title} on ${sayTargets(task)}`}
        of={JSON.stringify(query)}
        tools={<Export path="/api/v1/tasks" query={wanted} />}
        empty={
          Object.keys(query).length > 1 ? (
            <Empty icon={IconShieldBolt} title="No response action is like that">
              Nothing matches these filters. Clear one of them, or look further back.
            </Empty>
          ) : (
            <Empty icon={IconShieldBolt} title="Nothing was done yet">
              What is asked for by the menu Threat response, on an activity event, or by cutting the chain stands here
              with its state, its evidence and its way back.
            </Empty>
          )
        }
      />
    </>
  );
}
