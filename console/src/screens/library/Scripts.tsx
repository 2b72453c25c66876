/// The library: every script that can be run on endpoints.

import { Code, Text } from "@mantine/core";
import { IconBooks, IconPlus } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";

import { $api, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { PAGED, usePages } from "../../api/pages";
import { useFilters } from "../../app/url";
import { DataTable, type Column } from "../../ui/DataTable";
import { Deed } from "../../ui/Deed";
import { Empty } from "../../ui/Empty";
import { Export, Filters } from "../../ui/Filters";
import { Name } from "../../ui/Name";
import { Page } from "../../ui/Page";
import { bytes, clip, inert } from "../../ui/text";
import { Time } from "../../ui/Time";

type Script = Schemas["Script"];

const columns: Column<Script>[] = [
  {
    id: "name",
    title: "Name",
    width: "minmax(160px, 1.4fr)",
    isNarrow: true,
    cell: (row) => <Name fw={550}>{row.name}</Name>,
  },
  {
    id: "description",
    title: "What it is for",
    width: "minmax(200px, 3fr)",
    isNarrow: true,
    cell: (row) => <Name>{row.description}</Name>,
  },
  { id: "interpreter", title: "Runs in", width: "110px", cell: (row) => <Name>{row.versions[0]?.interpreter}</Name> },
  { id: "version", title: "Version", width: "90px", cell: (row) => row.versions[0]?.version },
  { id: "changed", title: "Last changed", width: "140px", cell: (row) => <Time at={row.versions[0]?.created_at} /> },
  {
    id: "by",
    title: "By",
    width: "minmax(120px, 1fr)",
    cell: (row) => <Name length={40}>{row.versions[0]?.created_by}</Name>,
  },
  { id: "size", title: "Size", width: "90px", isExtra: true, cell: (row) => bytes(row.versions[0]?.size ?? 0) },
  { id: "made", title: "Made", width: "140px", isExtra: true, cell: (row) => <Time at={row.created_at} /> },
  {
    id: "digest",
    title: "SHA-256",
    width: "150px",
    isExtra: true,
    cell: (row) => (
      <Name mono length={16}>
        {row.versions[0]?.sha256}
      </Name>
    ),
  },
];

export default function Scripts() {
  const me = useMe();
  const navigate = useNavigate();
  const [{ text = "" }] = useFilters();
  // Another limit than where all are asked for at once: the same words would be the same answer in the cache.
  const pages = usePages($api.useInfiniteQuery("get", "/api/v1/scripts", { params: { query: { limit: 200 } } }, PAGED));
  const rows = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return pages.rows.filter((row) => {
      const all = `${row.name} ${row.description} ${row.versions[0]?.interpreter ?? ""}`.toLowerCase();
      return words.every((word) => all.includes(word));
    });
  }, [pages.rows, text]);
  const add = (
    <Deed
      why={whyNot(me, "script.write")}
      leftSection={<IconPlus size={16} aria-hidden />}
      onClick={() => void navigate({ to: "/library/new" })}
    >
      Add a script
    </Deed>
  );
  return (
    <Page
      title="Library"
      about="Scripts that endpoints run. A version is never changed; an order names the one that runs by its SHA-256."
      actions={add}
    >
      <Filters search="text" />
      <DataTable
        label="Scripts"
        columns={columns}
        pages={{ ...pages, rows }}
        id={(row) => row.name}
        to={(row) => `/library/${encodeURIComponent(row.name)}`}
        name={(row) => clip(inert(row.name), 60)}
        tools={<Export path="/api/v1/scripts" query={{}} />}
        empty={
          text !== "" && pages.rows.length > 0 ? (
            <Empty icon={IconBooks} title="No script is like that">
              None of the {pages.rows.length} scripts has “{clip(inert(text), 60)}” in its name or description.
            </Empty>
          ) : (
            <Empty icon={IconBooks} title="The library is empty" action={add}>
              What is run on endpoints stands here first, so that everybody can read it. Add one here, or with
              <Text my={6}>
                <Code>quell scripts add triage ./triage.sh --description &quot;First look at a host&quot;</Code>
              </Text>
            </Empty>
          )
        }
      />
    </Page>
  );
}
