/// The library: everything that orders name by digest, a tab for each kind.

import { Button, Code, SegmentedControl, Tabs, Text } from "@mantine/core";
import { IconBooks, IconPlus } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";

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
import { ALL, KINDS, kindOf, knownOf } from "./kinds";

type Item = Schemas["LibraryItem"];

const columns: Column<Item>[] = [
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
  {
    id: "known",
    title: "What is in it",
    width: "minmax(110px, 1.4fr)",
    cell: (row) => <Name length={80}>{knownOf(row.latest?.facts)}</Name>,
  },
  { id: "version", title: "Version", width: "90px", cell: (row) => row.latest?.version },
  { id: "changed", title: "Last changed", width: "140px", cell: (row) => <Time at={row.latest?.created_at} /> },
  {
    id: "by",
    title: "By",
    width: "minmax(110px, 1fr)",
    cell: (row) => <Name length={40}>{row.latest?.created_by}</Name>,
  },
  { id: "size", title: "Size", width: "90px", isExtra: true, cell: (row) => bytes(row.latest?.size ?? 0) },
  { id: "made", title: "Made", width: "140px", isExtra: true, cell: (row) => <Time at={row.created_at} /> },
  {
    id: "digest",
    title: "SHA-256",
    width: "150px",
    isExtra: true,
    cell: (row) => (
      <Name mono length={16}>
        {row.latest?.sha256}
      </Name>
    ),
  },
];

export default function Library() {
  const me = useMe();
  const navigate = useNavigate();
  const [filters, set] = useFilters();
  const kind = kindOf(filters["kind"]);
  const { one, about } = KINDS[kind];
  const { text } = filters;
  const archived = filters["archived"] === "true";
  const query = { limit: 200, ...(text === undefined ? {} : { text }), ...(archived ? { archived } : {}) };
  const pages = usePages(
    $api.useInfiniteQuery("get", "/api/v1/library/{kind}", { params: { path: { kind }, query } }, PAGED),
  );
  const add = (
    <Deed
      why={whyNot(me, "library.write")}
      leftSection={<IconPlus size={16} aria-hidden />}
      onClick={() => void navigate({ to: "/library/new", search: { kind } as never })}
    >
      Add a {one}
    </Deed>
  );
  return (
    <Page
      title="Library"
      about="What endpoints are given to run and to look for. A version is never changed; an order names the one that is meant by its SHA-256."
      actions={add}
    >
      <Tabs
        value={kind}
        keepMounted={false}
        onChange={(next) => {
          set({ kind: next === "script" ? undefined : (next ?? undefined), text: undefined, archived: undefined });
        }}
      >
        <Tabs.List aria-label="Kinds" mb="sm">
          {ALL.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {KINDS[each].title}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={kind}>
          <Filters search="text" own={["archived"]}>
            <SegmentedControl
              size="xs"
              aria-label="Which are shown"
              value={archived ? "archived" : "used"}
              onChange={(next) => {
                set({ archived: next === "archived" ? "true" : undefined });
              }}
              data={[
                { value: "used", label: "In use" },
                { value: "archived", label: "Archived" },
              ]}
            />
          </Filters>
          <DataTable
            label={KINDS[kind].title}
            columns={columns}
            pages={pages}
            id={(row) => row.name}
            to={(row) => `/library/${kind}/${encodeURIComponent(row.name)}`}
            name={(row) => clip(inert(row.name), 60)}
            tools={<Export path={`/api/v1/library/${kind}`} query={{ text, archived: filters["archived"] }} />}
            empty={
              text !== undefined || archived ? (
                <Empty
                  icon={IconBooks}
                  title={archived ? "Nothing is archived" : "Nothing is like that"}
                  action={
                    <Button
                      variant="default"
                      onClick={() => {
                        set({ text: undefined, archived: undefined });
                      }}
                    >
                      Show what is in use
                    </Button>
                  }
                >
                  {text === undefined
                    ? "What is archived is named by no new task; it stays here for what was done with it."
                    : `Nothing here has “${clip(inert(text), 60)}” in its name or description.`}
                </Empty>
              ) : (
                <Empty icon={IconBooks} title={`There is no ${one} yet`} action={add}>
                  {about} What is used stands here first, so that everybody can read it. Add one here, or with
                  <Text my={6}>
                    <Code>quell library add {kind} NAME ./FILE --description &quot;What it is for&quot;</Code>
                  </Text>
                </Empty>
              )
            }
          />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
