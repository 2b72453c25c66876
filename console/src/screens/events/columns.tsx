/// The columns of lists of events.

import { Text } from "@mantine/core";

import type { Column } from "../../ui/DataTable";
import { Name } from "../../ui/Name";
import { Time } from "../../ui/Time";
import classes from "../incidents/incidents.module.css";
import { Severity, Verdict } from "../incidents/Severity";
import { Techniques } from "../incidents/Techniques";
import type { Detection } from "../incidents/types";
import { sourceWords } from "../incidents/words";

function Title({ event, length = 120 }: { event: Detection; length?: number }) {
  return (
    <span className={classes.title}>
      <Severity severity={event.severity} isShort />
      <span>
        <Name length={length}>{event.title}</Name>
      </span>
    </span>
  );
}

function Where({ event }: { event: Detection }) {
  if (event.endpoint != null) return <Name length={48}>{event.endpoint.name}</Name>;
  if (event.endpoint_hint == null) return "–";
  return (
    <Text component="span" inherit c="dimmed" data-hint="As the product names it: no endpoint here is known by that">
      <Name length={48}>{event.endpoint_hint}</Name>
    </Text>
  );
}

/** On a phone: what, where and when. */
export const narrowColumns: Column<Detection>[] = [
  {
    id: "title",
    title: "Event",
    width: "minmax(0, 1fr)",
    isNarrow: true,
    cell: (event) => <Title event={event} length={60} />,
  },
  { id: "at", title: "When", width: "104px", isNarrow: true, cell: (event) => <Time at={event.at} /> },
];

export const columns: Column<Detection>[] = [
  {
    id: "title",
    title: "Event",
    width: "minmax(200px, 2.4fr)",
    sort: "severity",
    cell: (event) => <Title event={event} />,
  },
  { id: "at", title: "When", width: "100px", sort: "at", cell: (event) => <Time at={event.at} /> },
  { id: "endpoint", title: "Endpoint", width: "minmax(80px, 0.8fr)", cell: (event) => <Where event={event} /> },
  {
    id: "source",
    title: "Source",
    width: "112px",
    cell: (event) => <Name length={24}>{sourceWords(event.source)}</Name>,
  },
  { id: "verdict", title: "Verdict", width: "146px", cell: (event) => <Verdict verdict={event.verdict} /> },
  {
    id: "incident",
    title: "Incident",
    width: "80px",
    cell: (event) => (event.incident == null ? "–" : `#${String(event.incident.number)}`),
  },
  {
    id: "techniques",
    title: "Technique",
    width: "104px",
    isExtra: true,
    cell: (event) => <Techniques ids={event.techniques} most={1} isLine />,
  },
  {
    id: "severity",
    title: "Severity",
    width: "120px",
    isExtra: true,
    cell: (event) => <Severity severity={event.severity} />,
  },
  { id: "rule", title: "Rule", width: "140px", isExtra: true, cell: (event) => <Name length={60}>{event.rule}</Name> },
  { id: "user", title: "User", width: "100px", isExtra: true, cell: (event) => <Name length={40}>{event.user}</Name> },
  { id: "path", title: "Path", width: "180px", isExtra: true, cell: (event) => <Name length={80}>{event.path}</Name> },
  {
    id: "received",
    title: "Received",
    width: "100px",
    isExtra: true,
    sort: "received",
    cell: (event) => <Time at={event.received_at} />,
  },
];
