/// What was met of the list, as endpoints told it: kept in the audit trail, the newest first.

import { IconBan } from "@tabler/icons-react";

import { $api, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { PAGED, usePages } from "../../api/pages";
import { DataTable, type Column } from "../../ui/DataTable";
import { Empty } from "../../ui/Empty";
import { Name } from "../../ui/Name";
import { Time } from "../../ui/Time";

type Record_ = Schemas["AuditRecord"];

/** A word of what the endpoint said; nothing is taken for granted of it. */
function said(row: Record_, name: string): string {
  const outer = row.detail as { detail?: Record<string, unknown> } | null;
  const value = outer?.detail?.[name];
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}

const columns: Column<Record_>[] = [
  { id: "at", title: "When", width: "130px", isNarrow: true, cell: (row) => <Time at={row.at} /> },
  {
    id: "endpoint",
    title: "Endpoint",
    width: "minmax(0, 0.7fr)",
    isNarrow: true,
    cell: (row) => <Name length={60}>{row.actor_name}</Name>,
  },
  {
    id: "value",
    title: "Listed",
    width: "minmax(0, 1.2fr)",
    isNarrow: true,
    cell: (row) => (
      <Name mono length={60}>
        {said(row, "value")}
      </Name>
    ),
  },
  {
    id: "subject",
    title: "Met",
    width: "minmax(0, 1.2fr)",
    cell: (row) => (
      <Name mono length={60}>
        {said(row, "subject")}
      </Name>
    ),
  },
  { id: "way", title: "How", width: "90px", cell: (row) => <Name length={20}>{said(row, "way")}</Name> },
  {
    id: "blocked",
    title: "Blocked",
    width: "90px",
    cell: (row) => (said(row, "blocked") === "true" ? "blocked" : "only reported"),
  },
  {
    id: "program",
    title: "Program",
    width: "minmax(0, 1fr)",
    cell: (row) => <Name length={60}>{said(row, "program")}</Name>,
  },
  { id: "count", title: "Times", width: "80px", cell: (row) => <Name length={12}>{said(row, "count")}</Name> },
];

const id = (row: Record_): string => row.id;

export function Hits() {
  const me = useMe();
  const why = whyNot(me, "audit.read");
  return why === undefined ? (
    <Known />
  ) : (
    <Empty icon={IconBan} title="Hits are in the audit trail">
      {why}
    </Empty>
  );
}

function Known() {
  const pages = usePages(
    $api.useInfiniteQuery(
      "get",
      "/api/v1/audit",
      { params: { query: { verb: "endpoint.blocklist_hit", limit: 100 } } },
      PAGED,
    ),
  );
  return (
    <DataTable
      label="Hits"
      columns={columns}
      pages={pages}
      id={id}
      empty={
        <Empty icon={IconBan} title="Nothing listed was met">
          When an endpoint meets something listed, it blocks or reports it, and says so here.
        </Empty>
      }
    />
  );
}
