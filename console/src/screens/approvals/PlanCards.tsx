/// Response plans that wait for a decision: each once, for all of its steps, leading to where it is decided about.

import { Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { Name } from "../../ui/Name";
import { clip, count, inert } from "../../ui/text";
import { Time } from "../../ui/Time";
import classes from "./Approvals.module.css";
import { Remaining } from "./Remaining";
import { blastOf, planOf, targetsOf, type Request } from "./request";

/** Steps that a card names. */
const NAMED = 6;

/** Requests that are steps of plans. */
export function PlanCards({ requests }: { requests: Request[] }) {
  const plans = new Map<string, Request[]>();
  for (const request of requests) {
    const plan = planOf(request);
    if (plan !== undefined) plans.set(plan, [...(plans.get(plan) ?? []), request]);
  }
  if (plans.size === 0) return null;
  return (
    <>
      <Title order={2} size="h3" mb={6}>
        Response plans
      </Title>
      <ul className={classes.list} aria-label="Response plans that wait">
        {[...plans].map(([plan, steps]) => (
          <Card key={plan} plan={plan} steps={steps} />
        ))}
      </ul>
      <Title order={2} size="h3" mt="lg" mb={6}>
        Single requests
      </Title>
    </>
  );
}

function Card({ plan, steps }: { plan: string; steps: Request[] }) {
  const [first] = steps;
  if (first === undefined) return null;
  const isMine = steps.every(({ you }) => you?.can_decide === true);
  return (
    <li className={classes.card} data-mine={isMine || undefined} data-plan={plan}>
      <span className={classes.tick} />
      <div>
        <Link to={`/response-plans/${plan}`} className={classes.title}>
          Response plan: {count(steps.length, "step")} {steps.length === 1 ? "waits" : "wait"}
        </Link>
        <Text size="sm" className={classes.reason}>
          <bdi>{clip(inert(first.reason), 400)}</bdi>
        </Text>
        <Text size="sm" mt={2} style={{ overflowWrap: "anywhere" }}>
          {steps.slice(0, NAMED).map((step, index) => (
            <span key={step.task}>
              {index > 0 ? ", " : ""}
              {step.title} on <Name length={40}>{targetsOf(blastOf(step))}</Name>
            </span>
          ))}
          {steps.length > NAMED ? ` and ${count(steps.length - NAMED, "other")}` : ""}
        </Text>
        <Text size="xs" c="dimmed" component="div" mt={2}>
          <Name length={50}>{first.requester}</Name> · asked{" "}
          <span className={classes.above}>
            <Time at={first.created_at} />
          </span>{" "}
          · ends{" "}
          <span className={classes.above}>
            <Remaining until={first.expires_at} />
          </span>
        </Text>
      </div>
      <div className={classes.side}>
        <Text size="sm" fw={550}>
          {isMine ? "One decision for all of it" : "Decided about as a whole"}
        </Text>
      </div>
    </li>
  );
}
