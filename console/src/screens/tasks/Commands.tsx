/// What a task does on each of its endpoints: a short list at once, a long one in pages; the worst first.

import { Button, Group, Progress, Text, UnstyledButton } from "@mantine/core";

import { $api } from "../../api/client";
import { PAGED, usePages } from "../../api/pages";
import { useFilters } from "../../app/url";
import { DataTable, type Column } from "../../ui/DataTable";
import { Name } from "../../ui/Name";
import { State } from "../../ui/State";
import { words } from "../../ui/text";
import { duration, Time, useNow } from "../../ui/Time";
import { isRecord } from "./schema";
import { byWorst, isEnded, type Command } from "./words";
import classes from "./Task.module.css";

type Props = { task: string; count: number; states: Record<string, number>; commands: Command[] };

/** Commands that come with the task itself. */
const FIRST = 50;

export function Commands({ task, count, states, commands }: Props) {
  const [filters, set] = useFilters();
  const chosen = filters["in"];
  return (
    <>
      <Group gap={6} mb="xs" role="group" aria-label="Show commands">
        {[undefined, ...Object.keys(states).sort(byWorst)].map((state) => (
          <Button
            key={state ?? "all"}
            size="compact-sm"
            variant={chosen === state ? "filled" : "default"}
            aria-pressed={chosen === state}
            onClick={() => {
              set({ in: state });
            }}
          >
            {state === undefined ? "all" : words(state)}{" "}
            {(state === undefined ? count : (states[state] ?? 0)).toLocaleString("en")}
          </Button>
        ))}
      </Group>
      {count <= FIRST ? (
        <Few commands={commands.filter((command) => chosen === undefined || command.state === chosen)} />
      ) : (
        <Many task={task} state={chosen} size={chosen === undefined ? count : (states[chosen] ?? 0)} />
      )}
    </>
  );
}

function Few({ commands }: { commands: Command[] }) {
  const [filters, set] = useFilters();
  const sorted = [...commands].sort((one, other) => byWorst(one.state, other.state) || one.index - other.index);
  return (
    <ul className={classes.rows} aria-label="Endpoints">
      {sorted.map((command) => (
        <li key={command.id}>
          <UnstyledButton
            className={classes.command}
            aria-expanded={filters["command"] === command.id}
            onClick={() => {
              set({ command: command.id });
            }}
          >
            <b>
              <Name length={60}>{command.endpoint_name}</Name>
            </b>
            <State state={command.state} reason={command.reason_code} />
            <span>
              <HowFar command={command} />
            </span>
            <Text component="span" size="xs" c="dimmed">
              <Time at={command.ended_at ?? command.started_at ?? command.dispatched_at} empty="not begun" />
            </Text>
            <Text component="span" size="xs" c="dimmed">
              <Took command={command} />
            </Text>
          </UnstyledButton>
        </li>
      ))}
    </ul>
  );
}

function Many({ task, state, size }: { task: string; state: string | undefined; size: number }) {
  const [, set] = useFilters();
  const answer = $api.useInfiniteQuery(
    "get",
    "/api/v1/tasks/{id}/commands",
    { params: { path: { id: task }, query: { limit: 200, view: "row", ...(state === undefined ? {} : { state }) } } },
    PAGED,
  );
  const columns: Column<Command>[] = [
    {
      id: "endpoint",
      title: "Endpoint",
      width: "minmax(130px, 1.3fr)",
      isNarrow: true,
      cell: (command) => (
        <UnstyledButton
          fz="sm"
          c="var(--mantine-color-anchor)"
          onClick={() => {
            set({ command: command.id });
          }}
        >
          <Name length={60}>{command.endpoint_name}</Name>
        </UnstyledButton>
      ),
    },
    {
      id: "state",
      title: "Status",
      width: "minmax(140px, 1fr)",
      isNarrow: true,
      cell: (command) => <State state={command.state} reason={command.reason_code} />,
    },
    { id: "far", title: "Progress", width: "minmax(120px, 1.4fr)", cell: (command) => <HowFar command={command} /> },
    {
      id: "started",
      title: "Started",
      width: "110px",
      isExtra: true,
      cell: (command) => <Time at={command.started_at} />,
    },
    { id: "ended", title: "Ended", width: "110px", cell: (command) => <Time at={command.ended_at} /> },
    { id: "took", title: "Took", width: "90px", cell: (command) => <Took command={command} /> },
  ];
  return (
    <DataTable
      label="Commands"
      columns={columns}
      pages={{ ...usePages(answer), total: size }}
      id={(command) => command.id}
      name={(command) => command.endpoint_name}
      empty={
        <Text size="sm" c="dimmed">
          No command is in this state now.
        </Text>
      }
    />
  );
}

/** How long it ran, or runs. */
export function Took({ command }: { command: Command }) {
  const now = useNow();
  if (!command.started_at) return <>–</>;
  const end = command.ended_at ? Date.parse(command.ended_at) : now;
  return <>{duration(end - Date.parse(command.started_at))}</>;
}

/** While it runs how far it is; then what it said. */
export function HowFar({ command }: { command: Command }) {
  const progress: Record<string, unknown> = isRecord(command.progress) ? command.progress : {};
  const [done, total, note] = ["done", "total", "note"].map((name) => progress[name]);
  if (!isEnded(command.state) && typeof done === "number") {
    const whole = typeof total === "number" && total > 0 ? total : undefined;
    return (
      <>
        <Text component="span" size="xs" c="dimmed" display="block">
          {typeof note === "string" ? <Name length={60}>{note}</Name> : null} {done.toLocaleString("en")}
          {whole === undefined ? "" : ` of ${whole.toLocaleString("en")}`}
        </Text>
        {whole === undefined ? null : (
          <Progress value={(done / whole) * 100} size="sm" aria-label={`Progress on ${command.endpoint_name}`} />
        )}
      </>
    );
  }
  if (command.state === "queued") {
    return (
      <Text component="span" size="xs" c="dimmed">
        waits for the endpoint, until <Time at={command.not_after} />
      </Text>
    );
  }
  if (command.state === "pending_approval") {
    return (
      <Text component="span" size="xs" c="dimmed">
        nothing is done before people agree
      </Text>
    );
  }
  return command.message ? (
    <Text component="span" size="xs">
      <Name length={140}>{command.message}</Name>
    </Text>
  ) : null;
}
