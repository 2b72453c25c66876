/// One task: what was asked, what came of it on each endpoint, what proves it, how it went.

import { Alert, Anchor, Drawer, Grid, Group, Loader, Skeleton, Spoiler, Stack, Text, Title } from "@mantine/core";
import { IconArrowBackUp, IconBug, IconClock } from "@tabler/icons-react";
import { Link, useParams } from "@tanstack/react-router";
import { lazy, Suspense } from "react";

import { $api } from "../../api/client";
import { holds, useMe } from "../../api/me";
import { useFilters } from "../../app/url";
import { Facts } from "../../ui/Facts";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { Page } from "../../ui/Page";
import { Stale } from "../../ui/Stale";
import { State } from "../../ui/State";
import { count, inert } from "../../ui/text";
import { duration, Time, useNow } from "../../ui/Time";
import { Unread } from "../../ui/Unread";
import { ApprovalCard } from "./ApprovalCard";
import { useAction, useSaid } from "./catalogue";
import { Id, TaskState } from "./columns";
import { CommandDetail } from "./CommandDetail";
import { Commands } from "./Commands";
import { Deeds } from "./Deeds";
import type { Schema } from "./schema";
import { Timeline } from "./Timeline";
import { timeline } from "./timeline";
import { clock, isEnded, sayFrom, sayTargets, type Command, type Task as One } from "./words";
import classes from "./Task.module.css";

/** Its table is read with the first task that has rows. */
const Rows = lazy(() => import("./Rows"));

/** Whether an outcome of this shape has rows, under whatever name. */
function findsRows(schema: Schema | undefined): boolean {
  return Object.values(schema?.properties ?? {}).some(
    ({ properties }) => properties !== undefined && "columns" in properties && "shown" in properties,
  );
}

export default function Task() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  const answer = $api.useQuery("get", "/api/v1/tasks/{id}", { params: { path: { id } } });
  if (answer.data === undefined) {
    return (
      <Page title="Task">
        <Unread answer={answer}>
          <Skeleton height={90} mb="md" />
          <Skeleton height={320} />
        </Unread>
      </Page>
    );
  }
  const { commands, states, ...task } = answer.data;
  return (
    <>
      <Stale error={answer.error} at={answer.dataUpdatedAt} retry={() => void answer.refetch()} mb="md" />
      <Whole key={id} task={task} states={states} commands={commands.items} />
    </>
  );
}

type WholeProps = { task: One; states: Record<string, number>; commands: Command[] };

function Whole({ task, states, commands }: WholeProps) {
  const only = task.target_count === 1 ? commands[0] : undefined;
  const action = useAction(task.action);
  return (
    <Page
      title={`${task.title || inert(task.action)}: ${sayTargets(task)}`}
      about={
        <Group gap={8}>
          <Id id={task.id} label="Copy the id of the task" />
          <span>
            asked for by <Name length={60}>{task.requester.name}</Name> from {sayFrom(task.created_from)},{" "}
            <Time at={task.created_at} />
          </span>
        </Group>
      }
      actions={<Deeds task={task} commands={commands} />}
    >
      <Stack gap="md">
        <div className={classes.head} data-state={task.state}>
          <TaskState task={task} />
          <Spoiler maxHeight={110} showLabel="All of the reason" hideLabel="Less" mt={4}>
            <Text size="sm" className={classes.reason}>
              <Name length={2000}>{task.reason}</Name>
            </Text>
          </Spoiler>
        </div>
        <Relations task={task} />
        <Grid gap="md">
          <Grid.Col span={{ base: 12, md: 8 }}>
            {only === undefined ? (
              <section className={classes.card} aria-label="Endpoints">
                <Title order={2} mb="xs">
                  {count(task.target_count, "endpoint")}
                </Title>
                <Commands task={task.id} count={task.target_count} states={states} commands={commands} />
                <Chosen commands={commands} />
              </section>
            ) : (
              <section className={classes.card} aria-label="What came of it">
                <Title order={2} mb="xs">
                  What came of it
                </Title>
                <CommandDetail command={only} />
              </section>
            )}
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 4 }}>
            <Aside task={task} commands={commands} />
          </Grid.Col>
        </Grid>
        {findsRows(action?.outcome_schema as Schema | undefined) ? (
          <Suspense fallback={<Skeleton height={240} />}>
            <Rows task={task.id} targets={task.target_count} isOver={isEnded(task.state)} />
          </Suspense>
        ) : null}
      </Stack>
    </Page>
  );
}

/** The undo that this is or has, and the timer. */
function Relations({ task }: { task: One }) {
  const now = useNow();
  return (
    <>
      {task.revert_at ? (
        <Alert variant="default" icon={<IconClock aria-hidden />} p="sm">
          <Text size="sm">
            {Date.parse(task.revert_at) > now ? (
              <>
                Undoes itself in <b>{duration(Date.parse(task.revert_at) - now)}</b>, at {clock(task.revert_at, now)},
                unless somebody undoes it before.
              </>
            ) : (
              "Undoes itself now: the way back is being requested."
            )}
          </Text>
        </Alert>
      ) : null}
      <Origin task={task} />
      {task.undone_by ? <Relation id={task.undone_by} says="Taken back by" /> : null}
      {task.undo_of ? <Relation id={task.undo_of} says="This takes back" /> : null}
    </>
  );
}

/** The incident that it was asked for from, and the plan whose step it is. */
function Origin({ task: { incident, plan } }: { task: One }) {
  if (incident == null && plan == null) return null;
  return (
    <Alert variant="default" icon={<IconBug aria-hidden />} p="sm">
      <Group gap="xs">
        {incident == null ? null : (
          <Text size="sm">
            Asked for from{" "}
            <Anchor component={Link} to={`/incidents/${String(incident.number ?? incident.id)}`} size="sm">
              incident{incident.number == null ? "" : ` #${String(incident.number)}`}
            </Anchor>
          </Text>
        )}
        {plan == null ? null : (
          <Text size="sm">
            A step of{" "}
            <Anchor component={Link} to={`/response-plans/${plan}`} size="sm">
              a response plan
            </Anchor>
          </Text>
        )}
      </Group>
    </Alert>
  );
}

function Relation({ id, says }: { id: string; says: string }) {
  const { data } = $api.useQuery("get", "/api/v1/tasks/{id}", { params: { path: { id } } });
  return (
    <Alert variant="default" icon={<IconArrowBackUp aria-hidden />} p="sm">
      <Group gap="xs">
        <Text size="sm">
          {says}{" "}
          <Anchor component={Link} to={`/tasks/${id}`} size="sm">
            <Name length={120}>{data === undefined ? id : `${data.title}: ${sayTargets(data)}`}</Name>
          </Anchor>
        </Text>
        {data === undefined ? null : <State state={data.state} />}
        {data === undefined ? null : <Time at={data.created_at} />}
      </Group>
    </Alert>
  );
}

/** The command that the address names, beside the list. */
function Chosen({ commands }: { commands: Command[] }) {
  const [filters, set] = useFilters();
  const id = filters["command"];
  const own = commands.find((command) => command.id === id);
  const read = $api.useQuery(
    "get",
    "/api/v1/commands/{id}",
    { params: { path: { id: id ?? "" } } },
    { enabled: id !== undefined && own === undefined },
  );
  const command = own ?? read.data;
  return (
    <Drawer
      opened={id !== undefined}
      onClose={() => {
        set({ command: undefined });
      }}
      title={command === undefined ? "Command" : inert(command.endpoint_name).slice(0, 80)}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {command === undefined ? (
        read.error === null ? (
          <Loader aria-label="Reading the command" />
        ) : (
          <Failure error={read.error} />
        )
      ) : (
        <CommandDetail command={command} />
      )}
    </Drawer>
  );
}

function Aside({ task, commands }: { task: One; commands: Command[] }) {
  const me = useMe();
  const said = useSaid(task);
  const approval = $api.useQuery(
    "get",
    "/api/v1/approvals/{id}",
    { params: { path: { id: task.id } } },
    { enabled: ["auto", "people", "break_glass"].includes(task.approval) && holds(me, "approval.read"), retry: false },
  );
  const audit = $api.useQuery(
    "get",
    "/api/v1/audit",
    { params: { query: { object: task.id, limit: 100 } } },
    { enabled: holds(me, "audit.read"), retry: false },
  );
  const undoneBy = $api.useQuery(
    "get",
    "/api/v1/tasks/{id}",
    { params: { path: { id: task.undone_by ?? "" } } },
    { enabled: Boolean(task.undone_by) },
  );
  const moments = timeline({
    task,
    commands,
    approval: approval.data,
    audit: audit.data?.items,
    undoneBy: undoneBy.data,
  });
  return (
    <Stack gap="md">
      {approval.data === undefined ? null : <ApprovalCard approval={approval.data} />}
      <section className={classes.card} aria-label="Timeline">
        <Title order={2} mb="sm">
          Timeline
        </Title>
        <Timeline moments={moments} />
      </section>
      <section className={classes.card} aria-label="Request">
        <Title order={2} mb="xs">
          Request
        </Title>
        <Facts
          rows={[
            ["Action", <Name key="action">{`${task.action}, revision ${String(task.revision)}`}</Name>],
            ...said.map(({ label, value, help }): [string, React.ReactNode] => [
              label,
              <span key={label} title={help}>
                <Name length={300}>{value}</Name>
              </span>,
            ]),
            ["May begin until", <Time key="expires" at={task.expires_at} />],
            ["Undoes itself after", task.revert_after_seconds ? duration(task.revert_after_seconds * 1000) : null],
            [
              "Intent",
              <Group key="intent" gap={2} wrap="nowrap">
                <Name mono length={17} fz="xs">
                  {task.intent_sha256}
                </Name>
              </Group>,
            ],
            [
              "Audit",
              holds(me, "audit.read") ? (
                <Anchor key="audit" component={Link} to={`/audit?object=${task.id}`} size="sm">
                  Records about this task
                </Anchor>
              ) : null,
            ],
          ]}
        />
      </section>
    </Stack>
  );
}
