/// What an archive holds, read by the server: nothing has to be unpacked where somebody works.

import { Alert, Button, Skeleton, Tabs } from "@mantine/core";
import { IconArrowLeft, IconEye } from "@tabler/icons-react";
import { Link, useParams } from "@tanstack/react-router";
import { useMemo } from "react";

import { $api, type Schemas } from "../../api/client";
import { PAGED, usePages } from "../../api/pages";
import { useFilters } from "../../app/url";
import { DataTable, type Column } from "../../ui/DataTable";
import { Empty } from "../../ui/Empty";
import { Filters } from "../../ui/Filters";
import { Name } from "../../ui/Name";
import { Page } from "../../ui/Page";
import { bytes, inert, words } from "../../ui/text";
import { Time } from "../../ui/Time";
import { Unread } from "../../ui/Unread";
import { Download } from "./ArtifactCard";
import { InsideCustody } from "./InsideCustody";
import { InsideEntry } from "./InsideEntry";

export type Entry = Schemas["ArtifactEntry"];

const COLUMNS: Column<Entry>[] = [
  {
    id: "path",
    title: "File",
    width: "minmax(220px, 3fr)",
    isNarrow: true,
    cell: (each) => <Name length={200}>{each.path ?? each.name}</Name>,
  },
  { id: "size", title: "Size", width: "100px", isNarrow: true, cell: (each) => bytes(each.size) },
  {
    id: "modified",
    title: "Changed",
    width: "140px",
    cell: (each) => (each.modified_at ? <Time at={each.modified_at} /> : null),
  },
  {
    id: "asked",
    title: "Definition",
    width: "minmax(140px, 1fr)",
    cell: (each) => (each.asked_by ? <Name length={80}>{each.asked_by}</Name> : null),
  },
  {
    id: "reason",
    title: "Left out",
    width: "150px",
    isNarrow: true,
    cell: (each) => (each.reason ? inert(words(each.reason)) : each.truncated ? "the beginning only" : null),
  },
];

/** What names one entry in the address: its number, or its path where the archive does not hold it. */
export function key(each: Entry): string {
  return each.index === null || each.index === undefined ? `-${each.path ?? ""}` : String(each.index);
}

export default function Inside() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  const [search, set] = useFilters();
  const answer = $api.useQuery("get", "/api/v1/artifacts/{id}", { params: { path: { id } } });
  const artifact = answer.data;
  if (artifact === undefined) {
    return (
      <Page title="Archive">
        <Unread answer={answer}>
          <Skeleton height={320} />
        </Unread>
      </Page>
    );
  }
  return (
    <Page
      title={`${artifact.name} of ${artifact.endpoint_name}`}
      about="Read on the server; nothing is unpacked here. Each look into it is recorded."
      actions={
        <>
          <Button
            component={Link}
            to={`/artifacts?open=${id}`}
            variant="default"
            leftSection={<IconArrowLeft size={16} aria-hidden />}
          >
            Artifact
          </Button>
          <Download artifact={artifact} size="sm" />
        </>
      }
    >
      <Tabs
        value={search["tab"] === "custody" ? "custody" : "content"}
        onChange={(tab) => {
          set({ tab: tab === "custody" ? tab : undefined });
        }}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="content">Content</Tabs.Tab>
          <Tabs.Tab value="custody">Custody</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="content">
          <Content id={id} />
        </Tabs.Panel>
        <Tabs.Panel value="custody">
          <InsideCustody id={id} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

function Content({ id }: { id: string }) {
  const [search, set] = useFilters();
  const { text, present } = search;
  const query = useMemo(
    () => ({
      limit: 200,
      ...(text === undefined ? {} : { text }),
      ...(present === "true" || present === "false" ? { present: present === "true" } : {}),
    }),
    [text, present],
  );
  const pages = usePages(
    $api.useInfiniteQuery("get", "/api/v1/artifacts/{id}/entries", { params: { path: { id }, query } }, PAGED),
  );
  const opened = pages.rows.find((each) => key(each) === search["entry"]);
  return (
    <>
      <Filters
        search="text"
        choices={[
          {
            name: "present",
            label: "In it",
            options: [
              { value: "true", label: "In the archive" },
              { value: "false", label: "Found and left out" },
            ],
          },
        ]}
      />
      <DataTable
        label="Files of the archive"
        columns={COLUMNS}
        pages={pages}
        id={key}
        of={JSON.stringify(query)}
        name={(each) => each.path ?? each.name}
        to={(each) => `/artifacts/${id}?${new URLSearchParams({ ...filters(search), entry: key(each) }).toString()}`}
        empty={
          <Empty icon={IconEye} title="Nothing here">
            {text === undefined && present === undefined
              ? "The archive is empty."
              : "No file of the archive is as these filters say."}
          </Empty>
        }
      />
      {search["entry"] !== undefined && opened === undefined && !pages.isFetching && !pages.isMore ? (
        <Alert color="gray" mt="md">
          The file that the address names is not among these.
        </Alert>
      ) : null}
      <InsideEntry
        id={id}
        entry={opened}
        close={() => {
          set({ entry: undefined });
        }}
      />
    </>
  );
}

/** The filters that go on in a row's address. */
function filters({ text, present }: Record<string, string | undefined>): Record<string, string> {
  return { ...(text === undefined ? {} : { text }), ...(present === undefined ? {} : { present }) };
}
