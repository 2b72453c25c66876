/// What a request would do, before it is sent: what it hits, what is in the way, who is asked, how it is taken back.

import { Alert, Badge, Box, Code, Group, List, Loader, Spoiler, Stack, Text, Title } from "@mantine/core";
import {
  IconAlertTriangle,
  IconArrowBackUp,
  IconBan,
  IconInfoCircle,
  IconLock,
  IconShieldCheck,
  IconUserQuestion,
  type Icon,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { asApiError } from "../api/problem";
import { Help } from "../form/Help";
import { Failure } from "../ui/Failure";
import { Name, Names } from "../ui/Name";
import { clip, count, inert, inertLines, words } from "../ui/text";
import { duration } from "../ui/Time";
import { against } from "./against";
import type { Draft } from "./draft";
import classes from "./act.module.css";
import type { Preview, PreviewTarget } from "./preview";

type Props = {
  draft: Draft;
  titles: ReadonlyMap<string, string>;
  preview: Preview | undefined;
  error: unknown;
  askAgain: () => void;
  isAsking: boolean;
  isOld: boolean;
  /** What is open before anything can be said. */
  open: string | undefined;
};

export function Blast({ draft, titles, preview, error, askAgain, isAsking, isOld, open }: Props) {
  return (
    <Box component="section" className={classes.aside} aria-label="What it would do" data-testid="blast">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h3">
          What it would do
        </Title>
        {isAsking ? <Loader size="xs" aria-label="Asking the server" /> : null}
      </Group>
      {open !== undefined ? (
        <Text size="sm" c="dimmed">
          {open}
        </Text>
      ) : error !== null && error !== undefined ? (
        <Incomplete error={error} again={askAgain} />
      ) : preview === undefined ? (
        <Text size="sm" c="dimmed">
          Asking the server…
        </Text>
      ) : (
        <Stack gap="sm" className={isOld ? (classes.old ?? "") : ""} aria-busy={isOld}>
          <Refused preview={preview} />
          <Targets preview={preview} wait={draft.expiresIn ?? 86_400} />
          <Waiting preview={preview} titles={titles} />
          <Asked preview={preview} />
          <WayBack way={preview.way_back} draft={draft} titles={titles} />
        </Stack>
      )}
    </Box>
  );
}

/** A body that is wrong in itself is not finished yet, rather than failed. */
function Incomplete({ error, again }: { error: unknown; again: () => void }) {
  const { problem } = asApiError(error);
  if (problem.status < 400 || problem.status >= 500) return <Failure error={error} retry={again} />;
  return (
    <Stack gap={4}>
      {against(error)
        .slice(0, 5)
        .map((text) => (
          <Text key={text} size="sm">
            <Help>{inertLines(text)}</Help>
          </Text>
        ))}
      {problem.hint ? (
        <Text size="sm" c="dimmed">
          {inertLines(problem.hint)}
        </Text>
      ) : null}
    </Stack>
  );
}

function Refused({ preview }: { preview: Preview }) {
  const { refused } = preview;
  if (refused == null) return null;
  // What the message says already is not said again.
  const fields = refused.fields.filter(({ problem }) => !refused.message.includes(problem));
  return (
    <Alert
      color="red"
      variant="light"
      icon={<IconBan aria-hidden />}
      title={refused.title}
      p="xs"
      data-testid="refused"
    >
      <Text size="sm">{inertLines(refused.message)}</Text>
      {fields.length > 0 ? (
        <List size="sm">
          {fields.slice(0, 8).map(({ field, problem }) => (
            <List.Item key={field + problem}>{inertLines(problem)}</List.Item>
          ))}
        </List>
      ) : null}
      {refused.hint ? <Text size="sm">{inertLines(refused.hint)}</Text> : null}
    </Alert>
  );
}

function Fact({ icon: Shape, tone, children }: { icon: Icon; tone: string; children: ReactNode }) {
  return (
    <Group gap="xs" wrap="nowrap" align="flex-start" className={classes.fact ?? ""}>
      <Shape size={17} color={`var(--quell-${tone})`} style={{ flex: "none", marginTop: 2 }} aria-hidden />
      <Box style={{ flex: 1, minWidth: 0 }}>{children}</Box>
    </Group>
  );
}

function Targets({ preview, wait }: { preview: Preview; wait: number }) {
  const { targets, target_count: size, beyond_reach: beyond } = preview;
  const offline = targets.filter((target) => !target.connected).length;
  if (size === 0 && beyond === 0) return <Text size="sm">It would hit nothing.</Text>;
  return (
    <Box>
      <Text size="sm" fw={600}>
        It hits {count(size, "endpoint")}
        {offline > 0 ? `, ${String(offline)} of them offline` : ""}.
      </Text>
      <ul className={classes.targets} tabIndex={targets.length > 5 ? 0 : -1} aria-label="Targets">
        {targets.map((target) => (
          <Target key={target.id} target={target} wait={wait} />
        ))}
      </ul>
      {size > targets.length ? (
        <Text size="xs" c="dimmed">
          and {count(size - targets.length, "other")}
        </Text>
      ) : null}
      {beyond > 0 ? (
        <Text size="xs" c="var(--quell-warn)">
          {count(beyond, "endpoint")} of those named {beyond === 1 ? "is" : "are"} beyond your rights.
        </Text>
      ) : null}
    </Box>
  );
}

function Target({ target, wait }: { target: PreviewTarget; wait: number }) {
  const logged = target.logged_on ?? [];
  return (
    <li>
      <Group justify="space-between" gap={6} wrap="nowrap">
        <Text size="sm" fw={550} truncate>
          <Name length={48}>{target.name}</Name>
        </Text>
        <Group gap={4} wrap="nowrap">
          {target.isolated ? (
            <Badge size="sm" variant="default" tt="none">
              isolated
            </Badge>
          ) : null}
          <Text size="xs" c={target.connected ? "var(--quell-ok)" : "var(--quell-warn)"} fw={550}>
            {target.connected ? "connected" : "offline"}
          </Text>
        </Group>
      </Group>
      {target.problem != null ? (
        <Line tone="bad">{target.problem.message}</Line>
      ) : target.connected ? null : (
        <Line tone="quiet">{`Waits until it is back, at most ${duration(wait * 1000)}.`}</Line>
      )}
      {target.protected != null ? <Line tone="warn">{`Protected: ${target.protected}`}</Line> : null}
      {target.excepted ? <Line tone="warn">On the list of exceptions from automatic approval.</Line> : null}
      {logged.length > 0 ? (
        <Text size="xs" c="var(--quell-quiet)" component="div" style={{ overflowWrap: "anywhere" }}>
          Logged on ({logged.length}): <Names length={48}>{logged}</Names>
        </Text>
      ) : null}
    </li>
  );
}

function Line({ tone, children }: { tone: string; children: string }) {
  return (
    <Text size="xs" c={`var(--quell-${tone})`} style={{ overflowWrap: "anywhere" }}>
      {clip(inert(children), 240)}
    </Text>
  );
}

function Waiting({ preview, titles }: { preview: Preview; titles: ReadonlyMap<string, string> }) {
  const others = preview.waits_for;
  if (others.length === 0) return null;
  return (
    <Fact icon={IconInfoCircle} tone="busy">
      <Text size="sm">
        {others.length === 1 ? "One order goes first:" : `${String(others.length)} orders go first:`}
      </Text>
      {others.slice(0, 4).map((other) => (
        <Text size="xs" key={`${other.task} ${other.endpoint}`}>
          <Link to={`/tasks/${other.task}`} target="_blank">
            {titles.get(other.action) ?? other.action}
          </Link>{" "}
          on <Name length={30}>{other.endpoint_name}</Name>, {words(other.state)}
        </Text>
      ))}
    </Fact>
  );
}

function decision({ how, quorum, roles }: Preview["approval"]): [Icon, string, string] {
  const who =
    roles.length > 0 ? ` with the role ${roles.map((role) => `“${clip(inert(role), 30)}”`).join(" or ")}` : "";
  switch (how) {
    case "none":
      return [IconShieldCheck, "ok", "It needs no approval: it begins at once."];
    case "auto":
      return [IconShieldCheck, "ok", "The settings approve it by themselves: it begins at once."];
    case "break_glass":
      return [
        IconAlertTriangle,
        "bad",
        "Your break-glass goes before approval: it begins at once, and everybody is told.",
      ];
    case "people":
      return [
        IconUserQuestion,
        "warn",
        `${count(Math.max(1, quorum), "person", "people")}${who} must approve it before it begins.`,
      ];
    default:
      return [IconBan, "bad", "The approval policy does not allow it."];
  }
}

function Asked({ preview }: { preview: Preview }) {
  const [shape, tone, text] = decision(preview.approval);
  const { step_up: own, approval } = preview;
  const most = approval.valid_for_seconds;
  return (
    <>
      <Fact icon={shape} tone={tone}>
        <Text size="sm" data-testid="approval">
          {text}
          {typeof most === "number" ? ` The approval is good for ${duration(most * 1000)} at most.` : ""}
        </Text>
        {approval.trace.length > 0 ? (
          <Spoiler maxHeight={0} showLabel="Why" hideLabel="Less" styles={{ control: { fontSize: "0.75rem" } }}>
            {approval.trace.map((line, index) => (
              <Text size="xs" c="dimmed" key={index}>
                {clip(inert(line), 400)}
              </Text>
            ))}
          </Spoiler>
        ) : null}
      </Fact>
      {own.needed ? (
        <Fact icon={IconLock} tone="warn">
          <Text size="sm">
            {own.methods.length > 0
              ? `You confirm it with your ${own.methods.map((method) => MEANS[method] ?? method).join(" or ")}.`
              : "It must be confirmed by a person with a password, a one-time code or a passkey; you have none."}
          </Text>
        </Fact>
      ) : null}
    </>
  );
}

const MEANS: Record<string, string> = { password: "password", totp: "one-time code", passkey: "passkey" };

type WayBackProps = { way: Preview["way_back"]; draft: Draft; titles: ReadonlyMap<string, string> };

/** As the parameters make it: a scan that moves nothing changes nothing. */
function WayBack({ way, draft, titles }: WayBackProps) {
  if (way.effect === "read_only") {
    return (
      <Fact icon={IconArrowBackUp} tone="quiet">
        <Text size="sm">It changes nothing on the target.</Text>
      </Fact>
    );
  }
  if (way.effect === "irreversible" || way.undone_by == null) {
    return (
      <Fact icon={IconAlertTriangle} tone="warn">
        <Text size="sm">It cannot be taken back.</Text>
      </Fact>
    );
  }
  const by = titles.get(way.undone_by) ?? <Code>{way.undone_by}</Code>;
  if (way.effect === "piecewise") {
    return (
      <Fact icon={IconArrowBackUp} tone="ok">
        <Text size="sm">What it changes is taken back piece by piece, a request for each: {by}.</Text>
      </Fact>
    );
  }
  return (
    <Fact icon={IconArrowBackUp} tone="ok">
      <Text size="sm">
        {draft.revertAfter === null
          ? "It stands until somebody takes it back: "
          : `It is taken back by itself ${duration(draft.revertAfter * 1000)} after its effect, or before: `}
        {by}.
      </Text>
    </Fact>
  );
}
