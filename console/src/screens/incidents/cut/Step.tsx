/// One proposed step: what, on what, why, what says so, what else it touches, and how it is taken back.

import { Anchor, Checkbox, Group, Text } from "@mantine/core";
import { IconAlertTriangle, IconArrowBackUp, IconFlame, IconTarget } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";

import { Name } from "../../../ui/Name";
import { Step as Numbered } from "../../../ui/Steps";
import { clip, count, inert, words } from "../../../ui/text";
import { useActions } from "../../tasks/catalogue";
import { eventPlace } from "../page/place";
import { sentence } from "../respond/offers";
import type { WholeIncident } from "../types";
import { stopped, withoutEvents } from "../words";
import { dependents, orderWords, radiusOf, type Because as Reason, type CutStep } from "./cut";

type Props = {
  incident: WholeIncident;
  step: CutStep;
  steps: CutStep[];
  chosen: number[];
  tick: (is: boolean) => void;
};

const RISK: Readonly<Record<string, string>> = { low: "quiet", medium: "warn", high: "bad" };

export function Step({ incident, step, steps, chosen, tick }: Props) {
  const isChosen = chosen.includes(step.number);
  const name = step.endpoint?.name;
  const label = `Step ${String(step.number)}: ${step.title}, ${clip(inert(step.object), 60)}${name === undefined ? "" : ` on ${clip(inert(name), 40)}`}`;
  const needing = isChosen ? [] : dependents(step, steps, chosen);
  return (
    <Numbered
      number={step.number}
      isOn={isChosen}
      tick={
        <Checkbox
          aria-label={label}
          checked={isChosen}
          onChange={(event) => {
            tick(event.currentTarget.checked);
          }}
        />
      }
      beside={<Marks step={step} />}
    >
      <Text size="sm" component="div">
        <b>{step.title}</b>
        {name === undefined ? (
          " for all endpoints"
        ) : (
          <>
            {" on "}
            <Name length={48}>{name}</Name>
          </>
        )}
      </Text>
      {step.object === name ? null : (
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          <Name mono length={300}>
            {step.object}
          </Name>
        </Text>
      )}
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        <Name length={600}>{stopped(withoutEvents(step.reason))}</Name>{" "}
        <Because incident={incident} because={step.because} />
      </Text>
      <Radius step={step} />
      {step.warnings.map(({ code, text }) => (
        <Text key={code} size="sm" c="var(--quell-warn)" style={{ overflowWrap: "anywhere" }}>
          <IconAlertTriangle size={14} aria-hidden /> <Name length={400}>{sentence(text)}</Name>
        </Text>
      ))}
      <Text size="xs" c="dimmed">
        {orderWords(step, steps, chosen).join(" ")}
        {needing.length > 0
          ? ` Without it ${needing.length === 1 ? "step" : "steps"} ${needing.join(", ")} may not hold.`
          : ""}
      </Text>
    </Numbered>
  );
}

function Marks({ step }: { step: CutStep }) {
  const actions = useActions();
  const back = actions.find(({ id }) => id === step.undone_by)?.title ?? step.undone_by;
  return (
    <>
      <Text size="xs" fw={550} c={`var(--quell-${RISK[step.risk] ?? "quiet"})`}>
        <IconFlame size={14} aria-hidden /> {words(step.risk)} risk
      </Text>
      {back == null ? (
        <Text size="xs" fw={550} c="var(--quell-warn)">
          <IconAlertTriangle size={14} aria-hidden /> cannot be taken back
        </Text>
      ) : (
        <Text size="xs" fw={550} c="var(--quell-ok)">
          <IconArrowBackUp size={14} aria-hidden /> taken back by {back}
        </Text>
      )}
    </>
  );
}

/** What else it touches. */
function Radius({ step }: { step: CutStep }) {
  const blast = radiusOf(step);
  const parts = [
    blast.processes > 0 ? `${count(blast.processes, "process ends", "processes end")}` : "",
    blast.others > 0 ? `${count(blast.others, "other process uses", "other processes use")} the same` : "",
    blast.connections > 0 ? `${count(blast.connections, "connection is", "connections are")} cut` : "",
    blast.endpoints !== undefined && blast.endpoints > 1 ? `seen on ${count(blast.endpoints, "endpoint")}` : "",
  ].filter((part) => part !== "");
  if (blast.text === "" && parts.length === 0 && blast.package === undefined) return null;
  return (
    <Text size="sm" component="div" style={{ overflowWrap: "anywhere" }}>
      <IconTarget size={14} aria-hidden />{" "}
      {blast.text === "" ? parts.join(", ") : <Name length={400}>{stopped(blast.text)}</Name>}
      {blast.package === undefined ? null : (
        <>
          {" Of the package "}
          <Name length={60}>{blast.package}</Name>.
        </>
      )}
    </Text>
  );
}

/** The events that say so, each leading to its place in the chain. */
export function Because({ incident, because }: { incident: { number: number }; because: Reason[] }) {
  if (because.length === 0) return null;
  return (
    <Group component="span" display="inline-flex" gap={6}>
      {because.map(({ chain, activity }, index) => (
        <Anchor
          key={`${chain} ${String(activity)}`}
          size="sm"
          component={Link}
          target="_blank"
          to={`/incidents/${String(incident.number)}?at=${encodeURIComponent(eventPlace({ chain, id: activity }))}`}
        >
          event {because.length > 1 ? String(index + 1) : ""}
        </Anchor>
      ))}
    </Group>
  );
}
