/// What waits for people: first what waits for you.

import { Anchor, Button, Text, Tooltip } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { $api, type Schemas } from "../../api/client";
import { holds, useMe } from "../../api/me";
import { Name } from "../../ui/Name";
import { Stale } from "../../ui/Stale";
import { count, inert } from "../../ui/text";
import { duration, Time, useNow } from "../../ui/Time";
import { Calm, Part, Some } from "./Part";
import classes from "./Overview.module.css";

type Approval = Schemas["Approval"];

/** Requests that wait; none where the person may not see them. */
export function useWaiting() {
  const me = useMe();
  return $api.useQuery(
    "get",
    "/api/v1/approvals",
    { params: { query: { state: "pending", limit: 100 } } },
    { enabled: holds(me, "approval.read") },
  );
}

export function isMine(approval: Approval): boolean {
  return approval.you?.can_decide ?? false;
}

export function Waiting() {
  const me = useMe();
  const answer = useWaiting();
  if (!holds(me, "approval.read")) return null;
  const rows = [...(answer.data?.items ?? [])].sort((one, other) => Number(isMine(other)) - Number(isMine(one)));
  return (
    <Part title="Waits for approval" all={{ to: "/approvals", says: "All requests" }}>
      <Stale error={answer.error} at={answer.dataUpdatedAt} retry={() => void answer.refetch()} />
      {answer.data !== undefined && rows.length === 0 ? (
        <Calm>
          Nobody waits for a decision. Whose requests must be approved, and by whom, the{" "}
          <Anchor component={Link} to="/settings/approvals" inherit underline="always">
            approval settings
          </Anchor>{" "}
          say; approvers are{" "}
          <Anchor component={Link} to="/settings/people" inherit underline="always">
            invited
          </Anchor>{" "}
          with that role.
        </Calm>
      ) : null}
      <Some rows={rows} most={6} draw={(approval) => <Request key={approval.task} approval={approval} />} />
    </Part>
  );
}

function targets(approval: Approval): string {
  const { endpoints, targets: size } = approval.blast as { endpoints?: { name?: unknown }[]; targets?: number };
  const names = (endpoints ?? []).map(({ name }) => name).filter((name) => typeof name === "string");
  const all = size ?? names.length;
  if (names.length === 0) return count(all, "endpoint");
  return all > 2 ? `${names.slice(0, 1).join(", ")} and ${String(all - 1)} more` : names.join(", ");
}

function Request({ approval }: { approval: Approval }) {
  const now = useNow();
  const left = Date.parse(approval.expires_at) - now;
  return (
    <li className={classes.row}>
      <div className={classes.what}>
        <Anchor component={Link} to={`/approvals/${approval.task}`} size="sm" fw={600}>
          <Name length={100}>{`${approval.title}: ${targets(approval)}`}</Name>
        </Anchor>
        <Text size="xs" c="dimmed">
          <Name length={140}>{approval.reason}</Name> · <Name length={40}>{approval.requester}</Name>,{" "}
          <Time at={approval.created_at} />
        </Text>
      </div>
      <Text size="xs" c="dimmed">
        {left > 0 ? `${duration(left)} left` : "over"}
      </Text>
      {isMine(approval) ? (
        <Button
          size="compact-sm"
          renderRoot={(props: Record<string, unknown>) => <Link {...props} to={`/approvals/${approval.task}`} />}
        >
          Decide
        </Button>
      ) : (
        <Tooltip label={inert(approval.you?.hinders ?? "Others decide about it.")}>
          <Text size="xs" c="dimmed" tabIndex={0}>
            others decide
          </Text>
        </Tooltip>
      )}
    </li>
  );
}
