/// What is listed, searched and filtered by the server; chosen objects are taken off by a task.

import { IconBan } from "@tabler/icons-react";
import { useMemo, useState } from "react";

import { useAct } from "../../act/start";
import { $api, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { PAGED, usePages } from "../../api/pages";
import { ID, oneOf, sift } from "../../app/rules";
import { useFilters } from "../../app/url";
import { DataTable, type Column } from "../../ui/DataTable";
import { Deed } from "../../ui/Deed";
import { Empty } from "../../ui/Empty";
import { Export, Filters, type Choice } from "../../ui/Filters";
import { Name } from "../../ui/Name";
import { Odd } from "../../ui/Odd";
import { Time } from "../../ui/Time";
import { given } from "../tasks/schema";

type Blocked = Schemas["BlockedObject"];

const KINDS = ["sha1", "sha256", "ip", "domain", "url", "sender"];
const ACTIONS = ["block", "log"];
const RISKS = ["low", "medium", "high"];
const DAYS = ["1", "7", "30"];

/** Objects that one task may name. */
const MOST = 1000;

const CHOICES: Choice[] = [
  { name: "kind", label: "Kind", options: KINDS.map((value) => ({ value, label: value })) },
  { name: "action", label: "Action", options: ACTIONS.map((value) => ({ value, label: value })) },
  { name: "risk", label: "Risk", options: RISKS.map((value) => ({ value, label: value })) },
  {
    name: "expires_in_days",
    label: "Expires within",
    options: DAYS.map((value) => ({ value, label: value === "1" ? "a day" : `${value} days` })),
  },
];

const RULES = {
  kind: oneOf(KINDS),
  action: oneOf(ACTIONS),
  risk: oneOf(RISKS),
  expires_in_days: oneOf(DAYS),
  task: ID,
};

const columns: Column<Blocked>[] = [
  {
    id: "value",
    title: "Object",
    width: "minmax(0, 2fr)",
    isNarrow: true,
    cell: (row) => (
      <Name mono length={70}>
        {row.value}
      </Name>
    ),
  },
  { id: "kind", title: "Kind", width: "90px", isNarrow: true, cell: (row) => row.kind },
  { id: "action", title: "Action", width: "80px", cell: (row) => row.action },
  { id: "risk", title: "Risk", width: "90px", cell: (row) => row.risk },
  {
    id: "expires",
    title: "Expires",
    width: "130px",
    cell: (row) => (row.expires_at == null ? "never" : <Time at={row.expires_at} />),
  },
  { id: "added", title: "Added", width: "130px", cell: (row) => <Time at={row.added_at} /> },
  { id: "by", title: "By", width: "minmax(0, 0.7fr)", cell: (row) => <Name length={40}>{row.added_by}</Name> },
  { id: "note", title: "Note", width: "minmax(0, 1fr)", cell: (row) => <Name length={80}>{row.note}</Name> },
  { id: "version", title: "Version", width: "90px", isExtra: true, cell: (row) => row.version },
];

const id = (row: Blocked): string => row.id;
const to = (row: Blocked): string => `/tasks/${row.task_id}`;
const name = (row: Blocked): string => row.value;

export function Objects() {
  const me = useMe();
  const act = useAct();
  const [filters] = useFilters();
  const [chosen, choose] = useState<Set<string>>(new Set());
  const [{ kind, action, risk, expires_in_days, task }, odd] = sift(filters, RULES);
  const { text } = filters;
  const days = expires_in_days === undefined ? undefined : Number(expires_in_days);
  const query = useMemo(
    () => ({ ...given({ kind, action, risk, task, text }), ...(days === undefined ? {} : { expires_in_days: days }) }),
    [kind, action, risk, task, text, days],
  );
  const pages = usePages(
    $api.useInfiniteQuery("get", "/api/v1/blocklist/objects", { params: { query: { ...query, limit: 200 } } }, PAGED),
  );
  const isFiltered = Object.keys(query).length > 0;
  const rows = pages.rows.filter((row) => chosen.has(row.id));
  const tooMany = chosen.size > MOST ? `At most ${String(MOST)} at a time.` : undefined;
  return (
    <>
      <Filters search="text" choices={CHOICES} views="blocklist" own={["task", "tab"]} />
      <Odd words={odd} />
      <DataTable
        label="Objects"
        columns={columns}
        pages={pages}
        id={id}
        to={to}
        name={name}
        selection={{ ids: chosen, change: choose }}
        tools={
          <>
            {rows.length === 0 ? null : (
              <Deed
                size="xs"
                variant="default"
                why={whyNot(me, "task.submit", "blocklist.remove") ?? tooMany}
                onClick={() => {
                  act({
                    action: "blocklist.remove",
                    params: { objects: rows.map((row) => ({ value: row.value, kind: row.kind })) },
                  });
                }}
              >
                Remove {rows.length} chosen
              </Deed>
            )}
            <Export
              path="/api/v1/blocklist/objects"
              query={given({ kind, action, risk, task, text, expires_in_days })}
            />
          </>
        }
        empty={
          <Empty icon={IconBan} title={isFiltered ? "No object is like that" : "Nothing is listed yet"}>
            {isFiltered ? (
              "Nothing matches these filters."
            ) : (
              <>
                Add objects here, or on the command line: <code>quell act blocklist add --objects …</code>. A file of
                indicators goes into the library first; the tab Import says what it would list.
              </>
            )}
          </Empty>
        }
      />
    </>
  );
}
