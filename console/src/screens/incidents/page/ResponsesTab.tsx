/// What was asked for from this incident: plans and single actions, live, with the way back.

import { Anchor, Box, Group, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { $api } from "../../../api/client";
import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import { count } from "../../../ui/text";
import { Time } from "../../../ui/Time";
import { ActionTable } from "../../events/ActionTable";
import { PlanState } from "../../response-plans/PlanState";
import { useNewsOf } from "../useNewsOf";
import type { WholeIncident } from "../types";
import classes from "./page.module.css";

export default function ResponsesTab({ incident }: { incident: WholeIncident }) {
  return (
    <Stack gap="md">
      <Plans incident={incident} />
      <ActionTable incident={incident.id} />
    </Stack>
  );
}

function Plans({ incident }: { incident: WholeIncident }) {
  const answer = $api.useQuery("get", "/api/v1/response-plans", {
    params: { query: { incident: incident.id, limit: 50 } },
  });
  const plans = answer.data?.items ?? [];
  useNewsOf(
    plans.flatMap(({ steps }) => steps.map(({ task }) => task.id)),
    () => void answer.refetch(),
  );
  if (answer.error !== null) return <Failure error={answer.error} retry={() => void answer.refetch()} />;
  if (plans.length === 0) return null;
  return (
    <Box component="section" aria-label="Response plans">
      <Title order={2} size="h3" mb={6}>
        Response plans
      </Title>
      <ul className={classes.notes}>
        {plans.map((plan) => (
          <li key={plan.id} className={classes.note}>
            <Group justify="space-between" gap="sm">
              <Box miw={0}>
                <Anchor fw={600} size="sm" component={Link} to={`/response-plans/${plan.id}`}>
                  {plan.undo_of == null ? "Cut the chain" : "Undo everything"}: {count(plan.steps.length, "step")}
                </Anchor>
                <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                  <Name length={200}>{plan.reason}</Name>
                </Text>
                <Text size="xs" c="dimmed">
                  <Name length={40}>{plan.requester.name}</Name>, <Time at={plan.created_at} />
                </Text>
              </Box>
              <PlanState plan={plan} />
            </Group>
          </li>
        ))}
      </ul>
    </Box>
  );
}
