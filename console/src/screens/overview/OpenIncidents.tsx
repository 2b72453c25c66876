/// Incidents that are open: how many by severity, and the worst of them.

import { Anchor, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { $api, type Schemas } from "../../api/client";
import { Name } from "../../ui/Name";
import { Stale } from "../../ui/Stale";
import { Time } from "../../ui/Time";
import { count } from "../../ui/text";
import { IncidentState, Severity } from "../incidents/Severity";
import type { Incident } from "../incidents/types";
import { LIST, OPEN } from "./Incidents";
import { Some } from "./Part";
import classes from "./Overview.module.css";

const SHOWN = 5;

export default function OpenIncidents({ counts }: { counts: Schemas["SeverityCount"][] }) {
  const worst = $api.useQuery("get", "/api/v1/incidents", {
    params: { query: { state: OPEN, sort: "-severity", limit: SHOWN } },
  });
  return (
    <>
      <Stale error={worst.error} at={worst.dataUpdatedAt} retry={() => void worst.refetch()} />
      <nav aria-label="Open incidents by severity" className={classes.severities}>
        {counts.map((each) => (
          <Link key={each.severity} to={`${LIST}&severity=${each.severity}`} className={classes.severity}>
            <b>{each.count.toLocaleString("en")}</b> <Severity severity={each.severity} />
          </Link>
        ))}
      </nav>
      <Some
        rows={worst.data?.items ?? []}
        most={SHOWN}
        draw={(incident) => <Row key={incident.id} incident={incident} />}
      />
    </>
  );
}

function Row({ incident }: { incident: Incident }) {
  const [endpoint] = incident.endpoints;
  const others = incident.endpoint_count - 1;
  return (
    <li className={classes.row}>
      <Severity severity={incident.severity} isShort />
      <div className={classes.what}>
        <Anchor component={Link} to={`/incidents/${String(incident.number)}`} size="sm" fw={600}>
          #{incident.number} <Name length={100}>{incident.title}</Name>
        </Anchor>
        <Text size="xs" c="dimmed">
          {endpoint === undefined ? null : (
            <>
              <Name length={48}>{endpoint.name}</Name>
              {others > 0 ? ` and ${count(others, "other")}` : ""} ·{" "}
            </>
          )}
          {incident.assignee == null ? "nobody’s work yet" : <Name length={40}>{incident.assignee.name}</Name>}
        </Text>
      </div>
      <div className={classes.side}>
        <IncidentState incident={incident} />
        <Text size="xs" c="dimmed" ta="end">
          <Time at={incident.last_at} />
        </Text>
      </div>
    </li>
  );
}
