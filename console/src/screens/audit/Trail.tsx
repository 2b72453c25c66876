/// Records of the audit trail as a list, each with its detail beside it. On the audit screen, and on the pages of what it is
/// about.

import { IconHistory } from "@tabler/icons-react";
import { useMemo, type ReactNode } from "react";

import { $api } from "../../api/client";
import { PAGED, usePages } from "../../api/pages";
import { useFilters, writeSearch } from "../../app/url";
import { DataTable } from "../../ui/DataTable";
import { Empty } from "../../ui/Empty";
import { Export } from "../../ui/Filters";
import { columns } from "./columns";
import type { AuditRecord } from "./record";
import { RecordDrawer } from "./RecordDrawer";

/** Milliseconds between two looks at the newest records, while nobody read further. */
const LOOK = 10_000;

export type TrailQuery = {
  object?: string;
  actor?: string;
  verb?: string;
  since?: string;
  until?: string;
  text?: string;
};

type Props = {
  /** Only records about the object of this id. */
  about?: string;
  query?: TrailQuery;
  label?: string;
  tools?: ReactNode;
};

const recordId = (record: AuditRecord): string => record.id;
const recordName = (record: AuditRecord): string => record.verb;

export function Trail({ about, query = {}, label = "Records", tools }: Props) {
  const [search] = useFilters();
  const wanted = about === undefined ? query : { ...query, object: about };
  const pages = usePages(
    $api.useInfiniteQuery(
      "get",
      "/api/v1/audit",
      { params: { query: { ...wanted, limit: 100 } } },
      {
        ...PAGED,
        refetchInterval: ({ state }: { state: { data?: { pages: unknown[] } | undefined } }) =>
          (state.data?.pages.length ?? 0) <= 1 ? LOOK : false,
      },
    ),
  );
  const place = useMemo(
    () => (record: AuditRecord) => `${window.location.pathname}${writeSearch({ ...search, record: record.id })}`,
    [search],
  );
  return (
    <>
      <DataTable
        label={label}
        columns={columns}
        pages={pages}
        id={recordId}
        name={recordName}
        to={place}
        of={JSON.stringify(wanted)}
        tools={
          <>
            {tools}
            <Export path="/api/v1/audit" query={wanted} more={[{ format: "ocsf", label: "OCSF events" }]} />
          </>
        }
        empty={
          <Empty icon={IconHistory} title="No record is like that">
            Every change, every secret that was read and every refusal leaves a record here. Other filters, or a longer
            time, may find it.
          </Empty>
        }
      />
      {search["record"] ? <RecordDrawer id={search["record"]} known={pages.rows} /> : null}
    </>
  );
}
