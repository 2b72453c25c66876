/// Every request of the last 60 days, or one's own.

import { IconHistory, IconUser } from "@tabler/icons-react";

import { $api } from "../../api/client";
import { PAGED, usePages } from "../../api/pages";
import { useFilters } from "../../app/url";
import { DataTable, type Column } from "../../ui/DataTable";
import { Empty } from "../../ui/Empty";
import { Export, Filters } from "../../ui/Filters";
import { Name } from "../../ui/Name";
import { State } from "../../ui/State";
import { words } from "../../ui/text";
import { Time } from "../../ui/Time";
import { Quorum } from "./Quorum";
import { Remaining } from "./Remaining";
import { blastOf, targetsOf, type Request } from "./request";
import { Warnings } from "./Warnings";

const STATES = ["pending", "approved", "auto", "rejected", "expired", "revoked", "canceled"];

function decidedBy(request: Request): string {
  return request.decisions
    .filter((one) => !one.revoked_at)
    .map((one) => one.name)
    .join(", ");
}

const COLUMNS: Column<Request>[] = [
  {
    id: "what",
    title: "Action and targets",
    width: "minmax(190px, 2fr)",
    isNarrow: true,
    cell: (request) => (
      <>
        {request.title}: <Name length={60}>{targetsOf(blastOf(request))}</Name>
      </>
    ),
  },
  {
    id: "state",
    title: "State",
    width: "130px",
    isNarrow: true,
    cell: (request) => <State state={request.state} />,
  },
  { id: "quorum", title: "Agreed", width: "150px", cell: (request) => <Quorum request={request} /> },
  {
    id: "requester",
    title: "Asked by",
    width: "minmax(100px, 1fr)",
    cell: (request) => <Name length={40}>{request.requester}</Name>,
  },
  {
    id: "reason",
    title: "Reason",
    width: "minmax(140px, 2fr)",
    cell: (request) => <Name length={120}>{request.reason}</Name>,
  },
  {
    id: "decided-by",
    title: "Decided by",
    width: "minmax(100px, 1fr)",
    cell: (request) => (
      <Name length={60}>{decidedBy(request) || (request.state === "auto" ? "the settings" : "")}</Name>
    ),
  },
  { id: "asked", title: "Asked", width: "120px", cell: (request) => <Time at={request.created_at} /> },
  {
    id: "decided",
    title: "Decided",
    width: "120px",
    isExtra: true,
    cell: (request) => <Time at={request.decided_at} />,
  },
  {
    id: "ends",
    title: "Ends",
    width: "110px",
    isExtra: true,
    cell: (request) => (request.state === "pending" ? <Remaining until={request.expires_at} /> : "–"),
  },
  {
    id: "warnings",
    title: "Warnings",
    width: "220px",
    isExtra: true,
    cell: (request) => <Warnings request={request} most={2} />,
  },
  { id: "task", title: "Task", width: "130px", isExtra: true, cell: (request) => words(request.task_state) },
];

export function History({ isMine = false }: { isMine?: boolean }) {
  const [filters] = useFilters();
  const actions = $api.useQuery("get", "/api/v1/actions", undefined, { staleTime: Infinity });
  const { state, action, text } = filters;
  const query = {
    ...(state === undefined ? {} : { state }),
    ...(action === undefined ? {} : { action }),
    ...(text === undefined ? {} : { text }),
    ...(isMine ? { mine: true } : {}),
  };
  const pages = usePages(
    $api.useInfiniteQuery("get", "/api/v1/approvals", { params: { query: { ...query, limit: 200 } } }, PAGED),
  );
  return (
    <>
      <Filters
        search="text"
        views={isMine ? "approvals-mine" : "approvals"}
        choices={[
          {
            name: "state",
            label: "State",
            isMany: true,
            options: STATES.map((state) => ({ value: state, label: words(state) })),
          },
          {
            name: "action",
            label: "Action",
            options: (actions.data ?? []).map((action) => ({ value: action.id, label: action.title })),
          },
        ]}
      />
      <DataTable
        label="Requests"
        columns={COLUMNS}
        pages={pages}
        id={(request) => request.task}
        to={(request) => `/approvals/${request.task}`}
        name={(request) => `${request.title} by ${request.requester}`}
        tools={<Export path="/api/v1/approvals" query={{ state, action, text, mine: isMine ? "true" : undefined }} />}
        empty={
          isMine ? (
            <Empty icon={IconUser} title="None of your requests was asked about">
              What you act on comes here when the approval settings want people to agree to it, or approve it
              themselves.
            </Empty>
          ) : (
            <Empty icon={IconHistory} title="No requests">
              Nothing here fits. Requests are kept for 60 days; what was decided stays in the audit trail for good.
            </Empty>
          )
        }
      />
    </>
  );
}
