/// What was told to whom, and what could not be.

import { Drawer, Loader, Text } from "@mantine/core";
import { IconBell } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";

import { $api, type Schemas } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { PAGED, usePages } from "../../../api/pages";
import { refresh } from "../../../api/query";
import { useFilters, type Search } from "../../../app/url";
import { DataTable, type Column } from "../../../ui/DataTable";
import { Deed } from "../../../ui/Deed";
import { Empty } from "../../../ui/Empty";
import { Export, Filters } from "../../../ui/Filters";
import { Name } from "../../../ui/Name";
import { Page } from "../../../ui/Page";
import { State } from "../../../ui/State";
import { Time } from "../../../ui/Time";
import { clip, count, inert, words } from "../../../ui/text";
import { Deliveries } from "./Deliveries";
import { sentence, useNoticeKinds } from "./kinds";

type Notice = Schemas["Notice"];
const PATH = "/api/v1/notices";
/** The states of a delivery, and how the API's words read. */
export const STATES: Record<string, string> = {
  pending: "waits",
  sent: "sent",
  held: "held back",
  dead: "given up",
};

/** The worst of the deliveries, with how many. */
function Summary({ notice }: { notice: Notice }) {
  const { deliveries } = notice;
  if (deliveries.length === 0)
    return (
      <Text span size="sm" c="dimmed">
        nobody to tell
      </Text>
    );
  for (const [state, look] of [
    ["dead", "failed"],
    ["held", "expired"],
    ["pending", "queued"],
  ] as const) {
    const number = deliveries.filter((delivery) => delivery.state === state).length;
    if (number > 0)
      return (
        <State state={look} label={`${String(number)} of ${String(deliveries.length)} ${STATES[state] ?? state}`} />
      );
  }
  return <State state="sent" label={count(deliveries.length, "sent", "sent")} />;
}

const columns: Column<Notice>[] = [
  {
    id: "headline",
    title: "What happened",
    width: "minmax(220px, 3fr)",
    isNarrow: true,
    cell: (notice) => (
      <Link
        to="."
        search={((before: Search) => ({ ...before, notice: notice.id })) as never}
        style={{ color: "var(--mantine-color-anchor)", textDecoration: "none" }}
      >
        <Name length={140}>{notice.headline === "" ? words(notice.kind) : notice.headline}</Name>
      </Link>
    ),
  },
  { id: "kind", title: "Kind", width: "170px", cell: (notice) => sentence(words(notice.kind)) },
  {
    id: "state",
    title: "Deliveries",
    width: "180px",
    isNarrow: true,
    cell: (notice) => <Summary notice={notice} />,
  },
  { id: "at", title: "When", width: "130px", cell: (notice) => <Time at={notice.created_at} /> },
];

export default function Notices() {
  const [filters] = useFilters();
  const kinds = useNoticeKinds();
  const query = {
    limit: 100,
    ...(filters["kind"] ? { kind: filters["kind"] } : {}),
    ...(filters["state"] ? { state: filters["state"] } : {}),
  };
  const pages = usePages<Notice>($api.useInfiniteQuery("get", PATH, { params: { query } }, PAGED));
  const isFiltered = filters["kind"] !== undefined || filters["state"] !== undefined;
  return (
    <Page
      title="Notices"
      about="What was told to people by mail and to systems by webhook, newest first. Kept for sixty days. Every notice comes from a record of the audit trail."
    >
      <Filters
        choices={[
          {
            name: "state",
            label: "Deliveries",
            options: Object.entries(STATES).map(([value, label]) => ({ value, label })),
          },
          {
            name: "kind",
            label: "Kind",
            options: kinds.map(({ name }) => ({ value: name, label: sentence(words(name)) })),
          },
        ]}
      />
      <DataTable
        label="Notices"
        columns={columns}
        pages={pages}
        id={(notice) => notice.id}
        name={(notice) => clip(inert(notice.headline), 60)}
        tools={<Export path={PATH} query={{ kind: filters["kind"], state: filters["state"] }} />}
        empty={
          <Empty icon={IconBell} title={isFiltered ? "None of these" : "Nothing was told yet"}>
            {isFiltered
              ? "No notice has such a kind or delivery."
              : "When a request waits for people, is decided, or a task fails, whoever it concerns is told here. Set up mail or a webhook so that it leaves the server."}
          </Empty>
        }
      />
      <Detail rows={pages.rows} isReading={pages.isFirst} />
    </Page>
  );
}

function Detail({ rows, isReading }: { rows: Notice[]; isReading: boolean }) {
  const me = useMe();
  const [filters, set] = useFilters();
  const id = filters["notice"];
  const retry = $api.useMutation("post", "/api/v1/notices/{id}/retry");
  if (id === undefined) return null;
  const notice = rows.find((each) => each.id === id);
  const isStuck =
    notice?.deliveries.some((delivery) => delivery.state === "dead" || delivery.state === "held") ?? false;
  return (
    <Drawer
      opened
      title={notice ? sentence(words(notice.kind)) : "Notice"}
      onClose={() => {
        set({ notice: undefined });
      }}
    >
      {notice === undefined ? (
        isReading ? (
          <Loader aria-label="Reading" />
        ) : (
          <Text size="sm">It is not among those that are read; it may be older than sixty days.</Text>
        )
      ) : (
        <Deliveries
          notice={notice}
          error={retry.error}
          action={
            <Deed
              variant="default"
              loading={retry.isPending}
              why={whyNot(me, "mail.manage") ?? (isStuck ? undefined : "Nothing of it was held back or given up.")}
              onClick={() => {
                retry.mutate({ params: { path: { id } } }, { onSuccess: () => void refresh(PATH) });
              }}
            >
              Try again
            </Deed>
          }
        />
      )}
    </Drawer>
  );
}
