/// Remote shells, those that are open and those that are past.

import { Button } from "@mantine/core";
import { IconTerminal2 } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { useMemo } from "react";

import { useAct } from "../../act/start";
import { $api } from "../../api/client";
import { PAGED, usePages } from "../../api/pages";
import { ID, oneOf, sift } from "../../app/rules";
import { useFilters } from "../../app/url";
import { DataTable, type Column } from "../../ui/DataTable";
import { Empty } from "../../ui/Empty";
import { Export, Filters, type Choice } from "../../ui/Filters";
import { Name, Names } from "../../ui/Name";
import { Odd } from "../../ui/Odd";
import { Page } from "../../ui/Page";
import { State } from "../../ui/State";
import { bytes, words } from "../../ui/text";
import { duration, Time, useNow } from "../../ui/Time";
import { EndpointBox } from "../tasks/EndpointBox";
import { given } from "../tasks/schema";
import { Find } from "./Find";
import type { Shell } from "./Live";

export const ACTION = "endpoint.remote_shell";

const STATES = ["open", "ended"];
const CHOICES: Choice[] = [
  { name: "state", label: "Status", options: STATES.map((state) => ({ value: state, label: state })) },
];
const RULES = { state: oneOf(STATES), endpoint: ID };

/** Whether it runs, and if not, why it ended. */
export function ShellState({ shell }: { shell: Shell }) {
  if (shell.state === "open") return <State state="running" label="open" />;
  if (shell.state === "lost") return <State state="partial" label="endpoint away" />;
  if (shell.state === "waiting") return <State state="queued" label="waiting" />;
  return <State state="expired" label="ended" reason={shell.reason ?? null} />;
}

/** How long it was open, or is. */
export function Lasted({ shell }: { shell: Shell }) {
  const now = useNow();
  const end = shell.ended_at ? Date.parse(shell.ended_at) : now;
  return <>{duration(end - Date.parse(shell.began_at))}</>;
}

const columns: Column<Shell>[] = [
  {
    id: "endpoint",
    title: "Endpoint",
    width: "minmax(0, 1.2fr)",
    isNarrow: true,
    cell: (shell) => <Name length={60}>{shell.endpoint_name}</Name>,
  },
  {
    id: "state",
    title: "Status",
    width: "minmax(150px, 1fr)",
    isNarrow: true,
    cell: (shell) => <ShellState shell={shell} />,
  },
  {
    id: "requester",
    title: "Asked for by",
    width: "minmax(0, 1fr)",
    isNarrow: true,
    cell: (shell) => <Name length={60}>{shell.requester}</Name>,
  },
  { id: "user", title: "As", width: "90px", cell: (shell) => <Name length={30}>{shell.user}</Name> },
  {
    id: "people",
    title: "There now",
    width: "minmax(0, 1fr)",
    cell: (shell) =>
      shell.people.length === 0 ? "–" : <Names length={30}>{shell.people.map(({ name }) => name)}</Names>,
  },
  { id: "began", title: "Began", width: "120px", cell: (shell) => <Time at={shell.began_at} /> },
  { id: "lasted", title: "Lasted", width: "110px", cell: (shell) => <Lasted shell={shell} /> },
  { id: "out", title: "Shown", width: "90px", cell: (shell) => bytes(shell.bytes_out) },
  { id: "in", title: "Typed", width: "90px", isExtra: true, cell: (shell) => bytes(shell.bytes_in) },
  {
    id: "by",
    title: "Ended by",
    width: "minmax(0, 1fr)",
    isExtra: true,
    cell: (shell) => (shell.ended_by ? <Name length={60}>{shell.ended_by}</Name> : words(shell.reason ?? "–")),
  },
  { id: "ended", title: "Ended", width: "120px", isExtra: true, cell: (shell) => <Time at={shell.ended_at} /> },
];

const id = (shell: Shell): string => shell.id;
const to = (shell: Shell): string => `/shells/${shell.id}`;
const name = (shell: Shell): string => `${shell.endpoint_name}, ${shell.requester}`;

export default function Shells() {
  const act = useAct();
  const [filters] = useFilters();
  const [{ state, endpoint }, odd] = sift(filters, RULES);
  const query = useMemo(() => given({ state, endpoint }), [state, endpoint]);
  const answer = $api.useInfiniteQuery(
    "get",
    "/api/v1/shells",
    { params: { query: { ...query, limit: 100 } } },
    { ...PAGED, placeholderData: keepPreviousData },
  );
  const pages = usePages(answer);
  const isFiltered = Object.keys(query).length > 0;
  const open = (
    <Button
      leftSection={<IconTerminal2 size={16} aria-hidden />}
      onClick={() => {
        act({ action: ACTION, ...(endpoint === undefined ? {} : { endpoints: [endpoint] }) });
      }}
    >
      Open a shell…
    </Button>
  );
  return (
    <Page
      title="Shells"
      about="Terminals on endpoints: recorded while they are used, looked at live by others, ended by whoever may."
      actions={open}
    >
      <Filters choices={CHOICES} views="shells" own={["endpoint"]}>
        <EndpointBox />
      </Filters>
      <Odd words={odd} />
      <Find query={query} />
      <DataTable
        label="Shells"
        columns={columns}
        pages={pages}
        id={id}
        to={to}
        name={name}
        tools={<Export path="/api/v1/shells" query={query} />}
        empty={
          <Empty icon={IconTerminal2} title={isFiltered ? "No shell is like that" : "No shell was opened yet"}>
            {isFiltered ? (
              "Nothing matches these filters."
            ) : (
              <>
                A shell is asked for as any action is, with a reason, and stands here with its recording:{" "}
                <code>quell shell web-1 --reason …</code>
              </>
            )}
          </Empty>
        }
      />
    </Page>
  );
}
