/// One remote shell: the terminal while it lives, what it waits for before, and the recording after.

import { Anchor, Group, Loader, Skeleton, Stack, Text } from "@mantine/core";
import { Link, useParams } from "@tanstack/react-router";
import { lazy, Suspense, useState, type ReactNode } from "react";

import { $api, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { asApiError } from "../../api/problem";
import { useFilters } from "../../app/url";
import { Copy } from "../../ui/Copy";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { Note } from "../../ui/Note";
import { Page } from "../../ui/Page";
import { Section } from "../../ui/Section";
import { State } from "../../ui/State";
import { bytes, inertLines } from "../../ui/text";
import { Time } from "../../ui/Time";
import { HowFar } from "../tasks/Commands";
import { isEnded } from "../tasks/words";
import type { Shell as One } from "./Live";
import { ACTION, Lasted, ShellState } from "./Shells";

// The terminal is read with the first shell.
const Live = lazy(() => import("./Live"));
const Replay = lazy(() => import("./Replay"));

/** Milliseconds between two looks at a shell that has not begun. */
const LOOK = 1_500;

const isMissing = (error: unknown): boolean => error !== null && asApiError(error).code === "not_found";

export default function Shell() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  const answer = $api.useQuery(
    "get",
    "/api/v1/shells/{id}",
    { params: { path: { id } } },
    { retry: false, refetchInterval: ({ state }) => (isMissing(state.error) ? LOOK : false) },
  );
  // Before the endpoint told of it, only its command is known.
  const isEarly = answer.data === undefined && isMissing(answer.error);
  const command = $api.useQuery(
    "get",
    "/api/v1/commands/{id}",
    { params: { path: { id } } },
    { enabled: isEarly, retry: false },
  );
  if (answer.data !== undefined) return <Known key={id} shell={answer.data} />;
  if (command.data?.action === ACTION) return <Early command={command.data} />;
  const error = isEarly ? (command.error ?? (command.data === undefined ? null : answer.error)) : answer.error;
  return (
    <Page title="Shell">
      {error === null ? <Skeleton height={420} /> : <Failure error={error} retry={() => void answer.refetch()} />}
    </Page>
  );
}

/** It was asked for and has not begun. */
function Early({ command }: { command: Schemas["Command"] }) {
  const isOver = isEnded(command.state);
  return (
    <Page
      title={`Shell on ${command.endpoint_name}`}
      about={<ToTask id={command.task_id}>What was asked for, and who agreed</ToTask>}
    >
      <Section title={isOver ? "It was not opened" : "It is not open yet"}>
        <Stack gap="xs" role="status">
          <Group gap="sm">
            <State state={command.state} reason={isOver ? command.reason_code : null} />
            {isOver ? null : <Loader size="xs" role="presentation" />}
          </Group>
          {isOver ? null : <HowFar command={command} />}
          {isOver && command.message ? (
            <Text size="sm" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
              {inertLines(command.message)}
            </Text>
          ) : null}
          {isOver ? null : (
            <Text size="sm" c="dimmed">
              The terminal appears here as soon as the endpoint begins.
            </Text>
          )}
        </Stack>
      </Section>
    </Page>
  );
}

function ToTask({ id, children }: { id: string; children: ReactNode }) {
  return (
    <Anchor component={Link} to={`/tasks/${id}`} size="sm">
      {children}
    </Anchor>
  );
}

function Known({ shell }: { shell: One }) {
  const me = useMe();
  const [search, set] = useFilters();
  const task = $api.useQuery("get", "/api/v1/tasks/{id}", { params: { path: { id: shell.task_id } } });
  // One that ended while it was looked at stays on the screen, with its end.
  const [wasOpen] = useState(shell.state !== "ended");
  const isReplayed = search["view"] === "recording" || !wasOpen;
  const requester = task.data?.requester;
  const isOwn = requester !== undefined && requester.id === me.id && requester.kind === me.kind;
  const idle = (task.data?.params as Record<string, unknown> | undefined)?.["idle_minutes"];
  const whySee = isOwn && !isReplayed ? undefined : whyNot(me, "artifact.download");
  return (
    <Page
      title={`Shell on ${shell.endpoint_name}`}
      about={
        <Group gap="sm" mt={4}>
          <ShellState shell={shell} />
          <span>
            <Name length={60}>{shell.program}</Name> as <Name length={30}>{shell.user}</Name>
          </span>
          <span>
            asked for by <Name length={60}>{shell.requester}</Name>, <Time at={shell.began_at} />
          </span>
          <ToTask id={shell.task_id}>Task</ToTask>
          <Group gap={2} wrap="nowrap">
            <code data-hint={shell.id}>{shell.id.slice(-12)}</code>
            <Copy value={shell.id} label="Copy the id" />
          </Group>
        </Group>
      }
    >
      {shell.state === "ended" ? <Over shell={shell} /> : null}
      {whySee !== undefined ? (
        <Note title="What was shown and typed is not shown to you" tone="warn">
          {whySee}
        </Note>
      ) : task.data === undefined && task.error === null ? (
        <Skeleton height={420} />
      ) : (
        <Suspense fallback={<Skeleton height={420} />}>
          {isReplayed ? (
            <Replay shell={shell} />
          ) : (
            <Live
              shell={shell}
              types={isOwn && whyNot(me, "task.submit", ACTION) === undefined}
              idle={typeof idle === "number" ? idle : undefined}
              replay={() => {
                set({ view: "recording" });
              }}
            />
          )}
        </Suspense>
      )}
    </Page>
  );
}

/** How it ended, in one line. */
function Over({ shell }: { shell: One }) {
  const facts: [string, ReactNode][] = [
    ["Lasted", <Lasted key="lasted" shell={shell} />],
    ["Ended by", shell.ended_by ? <Name length={60}>{shell.ended_by}</Name> : null],
    ["Exit code", shell.exit_code ?? null],
    ["Signal", shell.signal ?? null],
    ["Shown", bytes(shell.bytes_out)],
    ["Typed", bytes(shell.bytes_in)],
    [
      "Recording",
      shell.recording ? (
        <Anchor component={Link} to={`/artifacts?open=${shell.recording.artifact_id}`} size="sm">
          {bytes(shell.recording.size)}, SHA-256 {shell.recording.sha256.slice(0, 12)}…
        </Anchor>
      ) : null,
    ],
  ];
  return (
    <Group gap="md" mb="sm">
      {facts
        .filter(([, value]) => value !== null)
        .map(([label, value]) => (
          <Text key={label} size="sm">
            <Text span c="dimmed" size="sm">
              {label}{" "}
            </Text>
            {value}
          </Text>
        ))}
    </Group>
  );
}
