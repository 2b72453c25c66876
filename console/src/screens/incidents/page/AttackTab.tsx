/// Tactics and techniques of ATT&CK that were seen, in the order of an intrusion, leading to their events.

import { Group, Text, Title } from "@mantine/core";
import { IconGridDots } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import { $api } from "../../../api/client";
import { Empty } from "../../../ui/Empty";
import { Failure } from "../../../ui/Failure";
import { Note } from "../../../ui/Note";
import { clip, count, inert } from "../../../ui/text";
import { byTactic, LICENCE, techniqueName, VERSION, type Seen } from "../attack";
import { Severity } from "../Severity";
import type { Detection, WholeIncident } from "../types";
import { rank } from "../words";
import classes from "./page.module.css";

/** Detections that are looked at. */
const LOOKED_AT = 500;

/** What was seen of each technique: on how many detections, and the worst of these. */
function seenOf(techniques: readonly string[], detections: readonly Detection[]): Seen[] {
  const seen = new Map<string, Seen>(techniques.map((id) => [id, { id, events: 0, severity: undefined }]));
  for (const { techniques: named, severity } of detections) {
    for (const id of named) {
      const before = seen.get(id) ?? { id, events: 0, severity: undefined };
      const isWorse = rank(severity) < rank(before.severity);
      seen.set(id, { id, events: before.events + 1, severity: isWorse ? severity : before.severity });
    }
  }
  return [...seen.values()].sort((one, other) => one.id.localeCompare(other.id));
}

export default function AttackTab({ incident }: { incident: WholeIncident }) {
  const answer = $api.useQuery("get", "/api/v1/detections", {
    params: { query: { incident: incident.id, limit: LOOKED_AT } },
  });
  const columns = useMemo(
    () => byTactic(seenOf(incident.techniques, answer.data?.items ?? [])),
    [incident.techniques, answer.data],
  );
  if (columns.length === 0) {
    return (
      <Empty icon={IconGridDots} title="No technique is named">
        Rules say which technique of ATT&CK they find. None of those that were hit here names one.
      </Empty>
    );
  }
  const to = (id: string): string =>
    incident.chain_count > 0
      ? `/incidents/${String(incident.number)}?tab=activity&technique=${encodeURIComponent(id)}`
      : `/events?technique=${encodeURIComponent(id)}`;
  return (
    <>
      <Failure error={answer.error} mb="sm" />
      {answer.data?.next == null ? null : (
        <Note>The newest {LOOKED_AT} detections are counted here. All of them are named under Detections.</Note>
      )}
      <div className={classes.matrix} role="region" aria-label="Techniques by tactic" tabIndex={0}>
        {columns.map(({ tactic, techniques }) => (
          <section key={tactic.id} className={classes.tactic} aria-label={tactic.name}>
            <Title order={2} size="sm">
              {tactic.name}
            </Title>
            {techniques.map((technique) => (
              <Link key={technique.id} to={to(technique.id)} className={classes.cell}>
                <Group gap={6} wrap="nowrap">
                  {technique.severity === undefined ? null : <Severity severity={technique.severity} isShort />}
                  <Text component="span" size="xs" ff="monospace">
                    {clip(inert(technique.id), 12)}
                  </Text>
                </Group>
                <Text size="sm" fw={550} lh={1.3}>
                  {techniqueName(technique.id) ?? "Not in the table"}
                </Text>
                <Text size="xs" c="dimmed">
                  {technique.events === 0 ? "seen" : count(technique.events, "detection")}
                </Text>
              </Link>
            ))}
          </section>
        ))}
      </div>
      <Text size="xs" c="dimmed" mt="md">
        ATT&CK version {VERSION}. {LICENCE}
      </Text>
    </>
  );
}
