/// Every machine with our agent: found, looked at, acted on.

import { Button } from "@mantine/core";
import { IconDevices, IconKey, IconPlus, IconRefresh } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useMemo, useState } from "react";

import { useMe, whyNot } from "../../api/me";
import { FLAG, oneOf, sift } from "../../app/rules";
import { useFilters, type Search } from "../../app/url";
import { DataTable } from "../../ui/DataTable";
import { Deed } from "../../ui/Deed";
import { Empty } from "../../ui/Empty";
import { Export, Filters, type Choice } from "../../ui/Filters";
import { Odd } from "../../ui/Odd";
import { Page } from "../../ui/Page";
import { clip, inert } from "../../ui/text";
import { columns } from "./columns";
import type { Row } from "./row";
import { useEndpointRows, type Filter } from "./rows";
import { Selected } from "./Selected";

const EnrolDialog = lazy(() => import("./EnrolDialog"));

const CHOICES: Choice[] = [
  {
    name: "connected",
    width: 130,
    label: "Connection",
    options: [
      { value: "true", label: "Connected" },
      { value: "false", label: "Offline" },
    ],
  },
  {
    name: "isolated",
    width: 114,
    label: "Isolation",
    options: [
      { value: "true", label: "Isolated" },
      { value: "false", label: "Not isolated" },
    ],
  },
  {
    name: "alarm",
    width: 98,
    label: "Alarm",
    options: [
      { value: "true", label: "With an alarm" },
      { value: "false", label: "Without" },
    ],
  },
  {
    name: "os",
    width: 106,
    label: "System",
    options: [
      { value: "linux", label: "Linux" },
      { value: "windows", label: "Windows" },
      { value: "macos", label: "macOS" },
    ],
  },
  {
    name: "state",
    width: 130,
    label: "Active ones",
    options: [
      { value: "revoked", label: "Revoked ones" },
      { value: "all", label: "Active and revoked" },
    ],
  },
];

const SORT = "name";

const SORTS = columns.flatMap(({ sort }) => (sort === undefined ? [] : [sort, `-${sort}`]));

const RULES = {
  connected: FLAG,
  isolated: FLAG,
  alarm: FLAG,
  os: oneOf(["linux", "windows", "macos"]),
  state: oneOf(["active", "revoked", "all"]),
  sort: oneOf(SORTS),
};

/** The words of the address as the API wants them. */
function filterOf(search: Search): Filter {
  const flag = (name: string): Record<string, boolean> =>
    search[name] === "true" || search[name] === "false" ? { [name]: search[name] === "true" } : {};
  const state = search["state"] ?? "active";
  return {
    ...(search["text"] ? { text: search["text"] } : {}),
    ...flag("connected"),
    ...flag("isolated"),
    ...flag("alarm"),
    ...(search["os"] ? { os: search["os"] } : {}),
    ...(search["tag"] ? { tag: search["tag"] } : {}),
    ...(state === "all" ? {} : { state }),
    sort: search["sort"] ?? SORT,
  };
}

const rowId = (row: Row): string => row.id;
const rowName = (row: Row): string => clip(inert(row.name), 80);
const rowTo = (row: Row): string => `/endpoints/${row.id}`;

export default function Endpoints() {
  const me = useMe();
  const [search, set] = useFilters();
  const [understood, odd] = useMemo(() => sift(search, RULES), [search]);
  const filter = useMemo(() => filterOf(understood), [understood]);
  const rows = useEndpointRows(filter);
  const [ids, select] = useState<ReadonlySet<string>>(new Set());
  const selection = useMemo(() => ({ ids, change: select }), [ids]);
  const tags = useTagChoice(rows.rows, search["tag"]);
  const mayEnrol = whyNot(me, "token.manage");
  const enrol = (
    <Deed
      why={mayEnrol}
      leftSection={<IconPlus size={16} aria-hidden />}
      onClick={() => {
        set({ enrol: "new" });
      }}
    >
      Enrol an endpoint
    </Deed>
  );
  return (
    <Page
      title="Endpoints"
      actions={
        <>
          <Button
            component={Link}
            to="/endpoints/tokens"
            variant="default"
            leftSection={<IconKey size={16} aria-hidden />}
          >
            Enrolment tokens
          </Button>
          {enrol}
        </>
      }
    >
      <Filters search="text" choices={[...CHOICES, ...tags]} views="endpoints" />
      <Odd words={odd} />
      <DataTable
        label="Endpoints"
        columns={columns}
        pages={rows}
        id={rowId}
        name={rowName}
        to={rowTo}
        selection={selection}
        of={rows.of}
        sort={understood["sort"] ?? SORT}
        onSort={(sort) => {
          set({ sort });
        }}
        tools={
          <>
            {rows.isOld ? (
              <Button
                size="xs"
                variant="default"
                leftSection={<IconRefresh size={14} aria-hidden />}
                onClick={rows.renew}
              >
                Some changed: read again
              </Button>
            ) : null}
            <Export
              path="/api/v1/endpoints"
              query={Object.fromEntries(
                Object.entries({ ...filter, view: "row" }).map(([name, value]) => [name, String(value)]),
              )}
            />
          </>
        }
        empty={<Nothing isFiltered={Object.keys(understood).some((name) => name !== "sort")} enrol={enrol} />}
      />
      <Selected ids={ids} select={select} rows={rows.rows} changed={rows.renew} />
      <Suspense>
        {search["enrol"] === "new" && mayEnrol === undefined ? (
          <EnrolDialog
            close={() => {
              set({ enrol: undefined });
            }}
          />
        ) : null}
      </Suspense>
    </Page>
  );
}

function Nothing({ isFiltered, enrol }: { isFiltered: boolean; enrol: React.ReactNode }) {
  return isFiltered ? (
    <Empty icon={IconDevices} title="No endpoint is like that">
      Other filters, or another text, may find it. The text is looked for in names, addresses, people logged on, systems
      and tags.
    </Empty>
  ) : (
    <Empty icon={IconDevices} title="No endpoint is enrolled" action={enrol}>
      An endpoint is a machine with Quell’s agent. A token lets it enrol with one command; from then on it holds one
      connection to this server, and can be isolated, looked at and restored from here.
    </Empty>
  );
}

/** Tags to choose from: those of the first rows, and the one that is chosen. */
function useTagChoice(rows: Row[], chosen: string | undefined): Choice[] {
  const [first, last] = [rows[0], rows[Math.min(rows.length, 500) - 1]];
  return useMemo(() => {
    const counts = new Map<string, number>();
    for (const row of rows.slice(0, 500)) for (const tag of row.tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
    const tags = [...counts]
      .sort((a, b) => b[1] - a[1])
      .slice(0, 100)
      .map(([tag]) => tag);
    for (const tag of chosen?.split(",") ?? []) if (tag !== "" && !tags.includes(tag)) tags.unshift(tag);
    if (tags.length === 0) return [];
    return [
      {
        name: "tag",
        label: "Tags",
        isMany: true,
        width: 130,
        options: tags.map((tag) => ({ value: tag, label: clip(inert(tag), 60) })),
      },
    ];
    // The first page says enough; others that are read on change nothing here.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [first, last, chosen]);
}
