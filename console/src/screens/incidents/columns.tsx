/// The columns of lists of incidents.

import { Text } from "@mantine/core";

import type { Column } from "../../ui/DataTable";
import { Name, Names } from "../../ui/Name";
import { Time } from "../../ui/Time";
import classes from "./incidents.module.css";
import { IncidentState, Severity } from "./Severity";
import { Techniques } from "./Techniques";
import type { Incident } from "./types";

function Title({ incident, length }: { incident: Incident; length: number }) {
  return (
    <span className={classes.title}>
      <span className={classes.number}>#{incident.number}</span>
      <span>
        <Name length={length}>{incident.title}</Name>
      </span>
    </span>
  );
}

function Endpoints({ incident }: { incident: Incident }) {
  const { endpoints, endpoint_count: size } = incident;
  const names = endpoints.slice(0, 2).map(({ name }) => name);
  if (names.length === 0) return "–";
  const rest = size - names.length;
  return (
    <>
      <Names length={32}>{names}</Names>
      {rest > 0 ? ` and ${String(rest)} more` : null}
      {endpoints.some(({ isolated }) => isolated) ? (
        <Text component="span" size="xs" c="dimmed">
          {" "}
          · isolated
        </Text>
      ) : null}
    </>
  );
}

/** On a phone: what, how bad, and how it stands since when. */
export const narrowColumns: Column<Incident>[] = [
  {
    id: "title",
    title: "Incident",
    width: "minmax(0, 1fr)",
    isNarrow: true,
    cell: (incident) => (
      <>
        <Text component="span" display="block" fz="sm" lh={1.25} truncate>
          <Severity severity={incident.severity} isShort /> #{incident.number} <Name length={60}>{incident.title}</Name>
        </Text>
        <Text component="span" display="block" fz="xs" lh={1.25} c="dimmed" truncate>
          <Endpoints incident={incident} />
        </Text>
      </>
    ),
  },
  {
    id: "state",
    title: "State",
    width: "140px",
    isNarrow: true,
    cell: (incident) => (
      <>
        <Text component="span" display="block" fz="sm" lh={1.25} truncate>
          <IncidentState incident={{ state: incident.state }} />
        </Text>
        <Text component="span" display="block" fz="xs" lh={1.25} c="dimmed" truncate>
          <Time at={incident.last_at} />
        </Text>
      </>
    ),
  },
];

export const columns: Column<Incident>[] = [
  {
    id: "title",
    title: "Incident",
    width: "minmax(220px, 2.6fr)",
    sort: "number",
    cell: (incident) => <Title incident={incident} length={100} />,
  },
  {
    id: "severity",
    title: "Severity",
    width: "140px",
    sort: "severity",
    cell: (incident) => <Severity severity={incident.severity} />,
  },
  {
    id: "state",
    title: "State",
    width: "minmax(124px, 0.8fr)",
    cell: (incident) => <IncidentState incident={incident} />,
  },
  {
    id: "assignee",
    title: "Assignee",
    width: "minmax(90px, 0.7fr)",
    cell: (incident) => <Name length={40}>{incident.assignee?.name}</Name>,
  },
  {
    id: "endpoints",
    title: "Endpoints",
    width: "minmax(110px, 1fr)",
    cell: (incident) => <Endpoints incident={incident} />,
  },
  {
    id: "techniques",
    title: "Techniques",
    width: "minmax(116px, 0.9fr)",
    cell: (incident) => <Techniques ids={incident.techniques} most={1} isLine />,
  },
  {
    id: "detections",
    title: "Detections",
    width: "92px",
    cell: (incident) => incident.detection_count.toLocaleString("en"),
  },
  {
    id: "last",
    title: "Last activity",
    width: "120px",
    sort: "last",
    cell: (incident) => <Time at={incident.last_at} />,
  },
  { id: "first", title: "First activity", width: "112px", isExtra: true, cell: ({ first_at: at }) => <Time at={at} /> },
  { id: "created", title: "Created", width: "112px", isExtra: true, cell: ({ created_at: at }) => <Time at={at} /> },
  { id: "closed", title: "Closed", width: "112px", isExtra: true, cell: ({ closed_at: at }) => <Time at={at} /> },
  {
    id: "closed-by",
    title: "Closed by",
    width: "120px",
    isExtra: true,
    cell: (incident) => <Name length={40}>{incident.closed_by}</Name>,
  },
  {
    id: "tasks",
    title: "Responses",
    width: "92px",
    isExtra: true,
    cell: (incident) => incident.task_count.toLocaleString("en"),
  },
  {
    id: "notes",
    title: "Notes",
    width: "72px",
    isExtra: true,
    cell: (incident) => incident.note_count.toLocaleString("en"),
  },
];
