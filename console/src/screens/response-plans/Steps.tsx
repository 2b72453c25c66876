/// The steps of a plan, each with what it does, why it is there, and how it stands.

import { Anchor, Group, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { Name } from "../../ui/Name";
import { State } from "../../ui/State";
import { Step as Numbered, Steps as Ordered } from "../../ui/Steps";
import { Time } from "../../ui/Time";
import { stopped, withoutEvents } from "../incidents/words";
import { useShort } from "../tasks/catalogue";
import { sayTargets } from "../tasks/words";
import { failureWords, type Step, type StepApproval, type WholePlan } from "./plan";

export function Steps({ plan }: { plan: WholePlan }) {
  return (
    <section aria-label="Steps">
      <Title order={2} size="h3" mb={8}>
        Steps, in this order
      </Title>
      <Ordered>
        {plan.steps.map((step) => (
          <One
            key={step.number}
            step={step}
            steps={plan.steps}
            approval={plan.approvals.find(({ task }) => task === step.task.id)}
          />
        ))}
      </Ordered>
    </section>
  );
}

function One({ step, steps, approval }: { step: Step; steps: Step[]; approval: StepApproval | undefined }) {
  const { task } = step;
  const params = useShort(task);
  return (
    <Numbered number={step.number} isOn={task.state !== "canceled" && task.state !== "rejected"}>
      <Group justify="space-between" gap="xs" align="flex-start">
        <Anchor size="sm" fw={600} component={Link} to={`/tasks/${task.id}`}>
          {task.title}
          {task.target_count === 0 ? null : (
            <>
              {" on "}
              <Name length={60}>{sayTargets(task)}</Name>
            </>
          )}
        </Anchor>
        <State state={task.state} reason={task.reason_code} />
      </Group>
      {params === "" ? null : (
        <Text size="sm" ff="monospace" fz="xs" style={{ overflowWrap: "anywhere" }}>
          <Name length={300}>{params}</Name>
        </Text>
      )}
      {step.why === "" ? null : (
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          <Name length={600}>{stopped(withoutEvents(step.why))}</Name>
        </Text>
      )}
      <Text size="xs" c="dimmed">
        {failureWords(step, steps)}
        {step.needs.length === 0
          ? ""
          : ` It needs ${step.needs.length === 1 ? "step" : "steps"} ${step.needs.join(", ")}.`}
        {approval === undefined
          ? " It needs no approval."
          : approval.state === "auto"
            ? " The settings approve it."
            : approval.state === "pending"
              ? ` It waits for ${approval.quorum === 1 ? "one person" : `${String(approval.quorum)} people`}.`
              : ` Approval: ${approval.state}.`}
        {task.ended_at == null ? null : (
          <>
            {" Ended "}
            <Time at={task.ended_at} />.
          </>
        )}
      </Text>
    </Numbered>
  );
}
