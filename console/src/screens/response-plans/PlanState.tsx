/// How a response plan stands, and how far it is.

import { Group, Text } from "@mantine/core";

import { State } from "../../ui/State";
import { isEnded } from "../tasks/words";
import type { Plan } from "./plan";

export function PlanState({ plan }: { plan: Plan }) {
  const done = plan.steps.filter(({ task }) => isEnded(task.state)).length;
  const succeeded = plan.steps.filter(({ task }) => task.state === "succeeded").length;
  const isOpen = done < plan.steps.length;
  return (
    <Group component="span" display="inline-flex" gap={8} wrap="nowrap">
      <State state={plan.state} />
      <Text component="span" size="xs" c="dimmed">
        {isOpen
          ? `${String(done)} of ${String(plan.steps.length)} steps ended`
          : `${String(succeeded)} of ${String(plan.steps.length)} steps succeeded`}
      </Text>
    </Group>
  );
}
