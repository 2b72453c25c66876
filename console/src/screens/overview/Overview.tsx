/// What an analyst sees first: what was detected, what is changed and not undone, what waits, what runs, what fails.

import { Button, Grid, Group, Skeleton, Stack, Text } from "@mantine/core";
import { IconBolt, IconDevices } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";

import { useAct } from "../../act/start";
import { $api, type Schemas } from "../../api/client";
import { holds, useMe } from "../../api/me";
import { Empty } from "../../ui/Empty";
import { Page } from "../../ui/Page";
import { Stale } from "../../ui/Stale";
import { Time } from "../../ui/Time";
import { Unread } from "../../ui/Unread";
import { moment } from "../tasks/since";
import { Alarms } from "./Alarms";
import { Changed } from "./Changed";
import { Incidents } from "./Incidents";
import { Calm, Part, Some, TaskRow } from "./Part";
import { isMine, useWaiting, Waiting } from "./Waiting";
import classes from "./Overview.module.css";

type Task = Schemas["Task"];
type Seen = Schemas["Overview"];

/** Ends that somebody should look at. */
const BAD = "failed,indeterminate,refused,expired";

export default function Overview() {
  const answer = $api.useQuery("get", "/api/v1/overview", {});
  // A day before the screen was opened, the same for as long as it is: the key of an answer must not run with the clock.
  const [since] = useState(() => moment("1d", Date.now()) ?? "");
  const failed = $api.useQuery("get", "/api/v1/tasks", { params: { query: { state: BAD, since, limit: 50 } } });
  if (answer.data === undefined) {
    return (
      <Page title="Overview">
        <Unread answer={answer}>
          <Skeleton height={420} />
        </Unread>
      </Page>
    );
  }
  const seen = answer.data;
  return (
    <Page title="Overview" about="What was detected, what is changed now, what waits, what runs and what failed.">
      <Stack gap="md">
        <Stale error={answer.error} at={answer.dataUpdatedAt} retry={() => void answer.refetch()} />
        <Tiles seen={seen} failed={failed.error === null ? failed.data : null} />
        <First seen={seen} />
        <Alarms endpoints={seen.alarms} />
        <Grid gap="md">
          <Grid.Col span={{ base: 12, lg: 7 }}>
            <Stack gap="md">
              <Incidents counts={seen.incidents ?? undefined} />
              <Changed tasks={seen.not_undone} isolated={seen.isolated} />
              <Failed tasks={failed.data?.items}>
                <Stale error={failed.error} at={failed.dataUpdatedAt} retry={() => void failed.refetch()} />
              </Failed>
            </Stack>
          </Grid.Col>
          <Grid.Col span={{ base: 12, lg: 5 }}>
            <Stack gap="md">
              <Waiting />
              <Running tasks={seen.open} />
            </Stack>
          </Grid.Col>
        </Grid>
      </Stack>
    </Page>
  );
}

type TilesProps = {
  seen: Seen;
  /** `null` where it could not be read. */
  failed: { items: Task[]; next?: string | null } | null | undefined;
};

function Tiles({ seen, failed }: TilesProps) {
  const waiting = useWaiting();
  const open = (state: string): number => seen.open.filter((task) => task.state === state).length;
  const mine = (waiting.data?.items ?? []).filter(isMine).length;
  const tiles: [string, string, string, string | undefined][] = [
    [
      "Isolated now",
      most(seen.isolated.length),
      "/endpoints?isolated=true",
      seen.isolated.length > 0 ? "warn" : undefined,
    ],
    ["Wait for approval", most(open("pending_approval")), "/approvals", mine > 0 ? "warn" : undefined],
    ["Running", most(open("running")), "/tasks?state=running", undefined],
    ["Queued", most(open("queued")), "/tasks?state=queued", undefined],
    [
      "Failed, last day",
      failed === undefined ? "…" : failed === null ? "?" : `${String(failed.items.length)}${failed.next ? "+" : ""}`,
      `/tasks?state=${BAD}&since=1d`,
      (failed?.items.length ?? 0) > 0 ? "bad" : undefined,
    ],
    ["Agents connected", String(seen.connected), "/endpoints?connected=true", undefined],
  ];
  return (
    <nav aria-label="In numbers" className={classes.tiles}>
      {tiles.map(([title, value, to, tone]) => (
        <Link key={to} to={to} className={classes.tile}>
          <div className={classes.number} style={tone === undefined ? {} : { color: `var(--quell-${tone})` }}>
            {value}
            {to === "/approvals" && mine > 0 ? (
              <Text component="span" size="sm" fw={550} c="inherit">
                {" "}
                · {mine} for you
              </Text>
            ) : null}
          </div>
          <Text size="sm" c="dimmed">
            {title}
          </Text>
        </Link>
      ))}
    </nav>
  );
}

/** The server reads at most 200 of each. */
function most(number: number): string {
  return number >= 200 ? "200+" : String(number);
}

/** Where there is nothing at all yet: what to do first. */
function First({ seen }: { seen: Seen }) {
  const me = useMe();
  const act = useAct();
  const endpoints = $api.useQuery(
    "get",
    "/api/v1/endpoints",
    { params: { query: { limit: 1 } } },
    { enabled: seen.connected === 0 && holds(me, "endpoint.read") },
  );
  const tasks = $api.useQuery("get", "/api/v1/tasks", { params: { query: { limit: 1 } } });
  if (seen.connected === 0 && endpoints.data?.items.length === 0) {
    return (
      <Empty
        icon={IconDevices}
        title="No endpoint is here yet"
        action={
          <Button renderRoot={(props: Record<string, unknown>) => <Link {...props} to="/endpoints?enrol=new" />}>
            Enrol an endpoint
          </Button>
        }
      >
        An endpoint is a machine with the agent of Quell. One line in its terminal enrols it; a moment later it can be
        acted on from here.
      </Empty>
    );
  }
  if (tasks.data?.items.length !== 0 || seen.connected === 0) return null;
  return (
    <div className={classes.part}>
      <Group justify="space-between" wrap="nowrap" className={classes.calm}>
        <Text size="sm">
          Agents are connected, and nothing was asked for yet. Collect a file to see what an answer with evidence looks
          like: it changes nothing on the endpoint.
        </Text>
        <Button
          flex="none"
          leftSection={<IconBolt size={16} aria-hidden />}
          onClick={() => {
            act({});
          }}
        >
          Act on an endpoint
        </Button>
      </Group>
    </div>
  );
}

function Running({ tasks }: { tasks: Task[] }) {
  const rows = tasks.filter((task) => task.state !== "pending_approval");
  return (
    <Part title="Runs or is queued" all={{ to: "/tasks?state=open", says: "All open tasks" }}>
      {rows.length === 0 ? (
        <Calm>Nothing runs. What is asked for an endpoint that is off waits here until it comes back.</Calm>
      ) : (
        <Some
          rows={rows}
          most={8}
          draw={(task) => (
            <TaskRow
              key={task.id}
              task={task}
              beside={
                task.state === "queued" ? (
                  <>
                    until <Time at={task.expires_at} />
                  </>
                ) : (
                  <Time at={task.created_at} />
                )
              }
            />
          )}
        />
      )}
    </Part>
  );
}

function Failed({ tasks, children }: { tasks: Task[] | undefined; children: ReactNode }) {
  return (
    <Part title="Failed in the last day" all={{ to: `/tasks?state=${BAD}&since=1d`, says: "All of them" }}>
      {children}
      {tasks?.length === 0 ? <Calm>Nothing failed, and of nothing is it unknown how it ended.</Calm> : null}
      <Some
        rows={tasks ?? []}
        most={6}
        draw={(task) => <TaskRow key={task.id} task={task} beside={<Time at={task.ended_at ?? task.created_at} />} />}
      />
    </Part>
  );
}
