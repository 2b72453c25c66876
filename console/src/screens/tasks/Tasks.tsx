/// Response management: what was asked for, by whom, and how it stands; live.

import { Button } from "@mantine/core";
import { IconBan, IconBolt, IconListCheck, IconX } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import { useAct } from "../../act/start";
import { $api } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { PAGED, usePages } from "../../api/pages";
import { ID, oneOf, sift, someOf } from "../../app/rules";
import { useFilters, type Search } from "../../app/url";
import { Deed } from "../../ui/Deed";
import { Empty } from "../../ui/Empty";
import { Export } from "../../ui/Filters";
import { LiveTable } from "../../ui/LiveTable";
import { Odd } from "../../ui/Odd";
import { Page } from "../../ui/Page";
import { useSelection } from "../../ui/table/chosen";
import { count } from "../../ui/text";
import { CancelMany } from "./Cancel";
import { columns, narrowColumns } from "./columns";
import { given } from "./schema";
import { isMoment, moment } from "./since";
import { FROM, STATES, TaskFilters } from "./TaskFilters";
import { isEnded, sayTargets, type Task } from "./words";

const RULES = {
  state: someOf(["open", "ended", ...STATES]),
  from: oneOf(FROM),
  endpoint: ID,
  requester: ID,
  since: isMoment,
  until: isMoment,
};

/** The words of the address as the API takes them. */
function useWanted({ state, action, requester, from, endpoint, since, until, text }: Search) {
  return useMemo(
    () => ({
      state,
      action,
      requester,
      created_from: from,
      endpoint,
      since: moment(since, Date.now()),
      until: moment(until, Date.now()),
      text,
    }),
    [state, action, requester, from, endpoint, since, until, text],
  );
}

const ids = (task: Task): string => task.id;
const to = (task: Task): string => `/tasks/${task.id}`;
const name = (task: Task): string => `${task.title} on ${sayTargets(task)}`;

export default function Tasks() {
  const act = useAct();
  const [search] = useFilters();
  const [understood, odd] = sift(search, RULES);
  const wanted = useWanted(understood);
  const query = useMemo(() => given(wanted), [wanted]);
  const answer = $api.useInfiniteQuery(
    "get",
    "/api/v1/tasks",
    { params: { query: { ...query, limit: 100 } } },
    { ...PAGED, placeholderData: keepPreviousData },
  );
  const pages = usePages<Task>(answer);
  const { selection, chosen, none } = useSelection<Task>(pages.rows, ids);
  // What the dialog asks about, as it was when it was opened.
  const [called, callOff] = useState<Task[]>();
  return (
    <Page title="Response management" about="Every action that was asked for, its effect and its proof.">
      <TaskFilters />
      <Odd words={odd} />
      <LiveTable
        label="Tasks"
        one="task"
        columns={columns}
        narrowColumns={narrowColumns}
        pages={pages}
        id={ids}
        to={to}
        name={name}
        selection={selection}
        tools={
          <>
            {chosen.length > 0 ? <Chosen tasks={chosen} callOff={callOff} none={none} /> : null}
            <Export path="/api/v1/tasks" query={wanted} />
          </>
        }
        empty={
          Object.keys(query).length > 0 ? (
            <Empty icon={IconListCheck} title="No task is like that">
              Nothing matches these filters. Clear one of them, or look further back.
            </Empty>
          ) : (
            <Empty
              icon={IconListCheck}
              title="Nothing was asked for yet"
              action={
                <Button
                  leftSection={<IconBolt size={16} aria-hidden />}
                  onClick={() => {
                    act({});
                  }}
                >
                  Act on an endpoint
                </Button>
              }
            >
              A task is one action on one or more endpoints: isolate, collect a file, run a script. It stands here with
              its evidence as soon as somebody asks for it, here or by <code>quell act</code>.
            </Empty>
          )
        }
      />
      {called ? (
        <CancelMany
          tasks={called}
          close={() => {
            callOff(undefined);
          }}
          done={none}
        />
      ) : null}
    </Page>
  );
}

/** What can be done with the tasks that are selected. The number is that of the dialog: those that have not ended. */
function Chosen({ tasks, callOff, none }: { tasks: Task[]; callOff: (tasks: Task[]) => void; none: () => void }) {
  const me = useMe();
  const open = tasks.filter((task) => !isEnded(task.state)).length;
  return (
    <>
      <Deed
        size="compact-sm"
        variant="default"
        leftSection={<IconBan size={14} aria-hidden />}
        why={open === 0 ? "What is selected has ended: there is nothing to cancel." : whyNot(me, "task.cancel")}
        onClick={() => {
          callOff(tasks);
        }}
      >
        Cancel {count(open, "task")}
      </Deed>
      <Button size="compact-sm" variant="default" leftSection={<IconX size={14} aria-hidden />} onClick={none}>
        Select none
      </Button>
    </>
  );
}
