/// How an incident stands: how bad, whose work, on which endpoints, and how these are now.

import { Anchor, Group, Text } from "@mantine/core";
import { IconLock, IconPlugConnected, IconPlugConnectedX } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { Name } from "../../../ui/Name";
import { Time } from "../../../ui/Time";
import { IncidentState, Severity } from "../Severity";
import { Techniques } from "../Techniques";
import type { Member, WholeIncident } from "../types";
import { ChangeState } from "./ChangeState";
import classes from "./page.module.css";

export function Head({ incident, tag }: { incident: WholeIncident; tag: string }) {
  const rest = incident.endpoint_count - incident.endpoints.length;
  return (
    <section className={classes.head} aria-label="How it stands" data-severity={incident.severity}>
      <Fact name="Severity">
        <Severity severity={incident.severity} />
      </Fact>
      <Fact name="State">
        <Group gap={8}>
          <IncidentState incident={incident} />
          <ChangeState incident={incident} tag={tag} />
        </Group>
        {incident.closed_at == null ? null : (
          <Text size="xs" c="dimmed">
            <Time at={incident.closed_at} />
            {incident.closed_by ? (
              <>
                {" "}
                by <Name length={40}>{incident.closed_by}</Name>
              </>
            ) : null}
          </Text>
        )}
      </Fact>
      <Fact name="Assignee">
        {incident.assignee == null ? "nobody" : <Name length={40}>{incident.assignee.name}</Name>}
      </Fact>
      <Fact name="Techniques">
        <Techniques ids={incident.techniques} most={5} />
      </Fact>
      <Fact name={incident.endpoint_count === 1 ? "Endpoint" : "Endpoints"} isWide>
        <Group gap={14} component="ul" className={classes.endpoints}>
          {incident.endpoints.map((member) => (
            <Endpoint key={member.id} member={member} />
          ))}
          {rest > 0 ? <li>and {rest} more</li> : null}
        </Group>
      </Fact>
    </section>
  );
}

function Fact({ name, children, isWide = false }: { name: string; children: ReactNode; isWide?: boolean }) {
  return (
    <div className={isWide ? classes.wide : undefined}>
      <Text size="xs" c="dimmed">
        {name}
      </Text>
      <Text size="sm" component="div">
        {children}
      </Text>
    </div>
  );
}

function Endpoint({ member }: { member: Member }) {
  return (
    <li className={classes.endpoint}>
      <Anchor size="sm" fw={600} component={Link} to={`/endpoints/${member.id}`}>
        <Name length={48}>{member.name}</Name>
      </Anchor>
      <Text
        component="span"
        size="xs"
        className={classes.standing ?? ""}
        c={member.connected ? "var(--quell-ok)" : "var(--quell-quiet)"}
      >
        {member.connected ? <IconPlugConnected size={14} aria-hidden /> : <IconPlugConnectedX size={14} aria-hidden />}
        {member.connected ? "connected" : "offline"}
      </Text>
      {member.isolated ? (
        <Text component="span" size="xs" className={classes.standing ?? ""} c="var(--quell-warn)">
          <IconLock size={14} aria-hidden />
          isolated
        </Text>
      ) : null}
    </li>
  );
}
