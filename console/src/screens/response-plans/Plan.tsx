/// A response plan: its steps in their order, live, one decision about all of them, and everything undone in one.

import { Anchor, Box, Group, Skeleton, Stack, Text } from "@mantine/core";
import { Link, useParams } from "@tanstack/react-router";

import { $api } from "../../api/client";
import { Copy } from "../../ui/Copy";
import { Name } from "../../ui/Name";
import { Page } from "../../ui/Page";
import { Stale } from "../../ui/Stale";
import { count } from "../../ui/text";
import { Time } from "../../ui/Time";
import { Unread } from "../../ui/Unread";
import { useNewsOf } from "../incidents/useNewsOf";
import { Decide } from "./Decide";
import { Deeds } from "./Deeds";
import type { WholePlan } from "./plan";
import { PlanState } from "./PlanState";
import { Steps } from "./Steps";
import classes from "./plan.module.css";

export default function PlanPage() {
  const { id = "" } = useParams({ strict: false });
  const answer = $api.useQuery("get", "/api/v1/response-plans/{id}", { params: { path: { id } } });
  const plan = answer.data;
  useNewsOf(plan?.steps.map(({ task }) => task.id) ?? [], () => void answer.refetch());
  if (plan === undefined) {
    return (
      <Page title="Response plan">
        <Unread answer={answer}>
          <Skeleton height={320} />
        </Unread>
      </Page>
    );
  }
  return (
    <>
      <Stale error={answer.error} at={answer.dataUpdatedAt} retry={() => void answer.refetch()} mb="md" />
      <Shown key={plan.id} plan={plan} />
    </>
  );
}

function Shown({ plan }: { plan: WholePlan }) {
  const title = plan.undo_of == null ? "Response plan" : "Undo of a response plan";
  return (
    <Page
      title={`${title}: ${count(plan.steps.length, "step")}`}
      about={
        <span>
          asked for by <Name length={60}>{plan.requester.name}</Name>, <Time at={plan.created_at} />
          {plan.incident == null ? null : (
            <>
              {" · "}
              <Anchor size="sm" underline="always" component={Link} to={`/incidents/${plan.incident}?tab=responses`}>
                its incident
              </Anchor>
            </>
          )}
        </span>
      }
      actions={<Deeds plan={plan} />}
    >
      <Stack gap="md">
        <section className={classes.head} data-state={plan.state} aria-label="How it stands">
          <PlanState plan={plan} />
          <Text size="sm" mt={4} style={{ overflowWrap: "anywhere" }}>
            <Name length={2000}>{plan.reason}</Name>
          </Text>
          <Waits plan={plan} />
          <Relations plan={plan} />
        </section>
        <div className={classes.columns}>
          <Box miw={0}>
            <Steps plan={plan} />
          </Box>
          <Stack gap="md" miw={0}>
            <Decide plan={plan} />
            <Box component="section" className={classes.card} aria-label="What is bound">
              <Text size="xs" c="dimmed">
                Digest: every step in its order, and what follows a failure of each
              </Text>
              <Group gap={2} wrap="nowrap">
                <Name mono length={28}>
                  {plan.digest}
                </Name>
                <Copy value={plan.digest} label="Copy the digest of the plan" />
              </Group>
            </Box>
          </Stack>
        </div>
      </Stack>
    </Page>
  );
}

/** What keeps it from going on, where that is others. */
function Waits({ plan }: { plan: WholePlan }) {
  const waits = plan.waits_for;
  if (waits == null) return null;
  if (waits.people) {
    return (
      <Text size="sm" mt={4}>
        Nothing of it begins before people agree to all of it.
      </Text>
    );
  }
  const away = waits.endpoints.filter(({ state }) => state === "queued");
  return away.map(({ id, name, last_seen_at: seen }) => (
    <Text size="sm" mt={4} key={id} c="var(--quell-warn)">
      Step {waits.step} waits for <Name length={60}>{name}</Name>,{" "}
      {seen == null ? (
        "which was never heard of"
      ) : (
        <>
          last heard of <Time at={seen} />
        </>
      )}
      ; all that follows waits too.
    </Text>
  ));
}

function Relations({ plan }: { plan: WholePlan }) {
  const link = (id: string, text: string) => (
    <Anchor size="sm" underline="always" component={Link} to={`/response-plans/${id}`}>
      {text}
    </Anchor>
  );
  return (
    <Stack gap={2} mt={4}>
      {plan.stopped_by == null ? null : (
        <Text size="sm" c="var(--quell-warn)">
          Step {plan.stopped_by} did not succeed: those that follow were called off.
        </Text>
      )}
      {plan.undo_of == null ? null : <Text size="sm">It takes back {link(plan.undo_of, "another plan")}.</Text>}
      {plan.undone_by == null ? null : (
        <Text size="sm">It is taken back by {link(plan.undone_by, "another plan")}.</Text>
      )}
    </Stack>
  );
}
