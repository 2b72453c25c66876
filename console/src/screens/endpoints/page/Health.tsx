/// How an endpoint is: what the server knows of its connection, its certificate and its agent.

import { Text } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconCircleMinus } from "@tabler/icons-react";
import type { ReactNode } from "react";

import { Facts } from "../../../ui/Facts";
import { Name } from "../../../ui/Name";
import { Time, useNow } from "../../../ui/Time";
import classes from "../cells.module.css";
import type { Endpoint } from "../row";

/** Milliseconds before the end of a certificate at which somebody should look: an agent renews it long before. */
const NEAR = 2 * 86_400_000;

function Word({ tone, children }: { tone: "ok" | "warn" | "bad" | "quiet"; children: ReactNode }) {
  const Shape = tone === "ok" ? IconCircleCheck : tone === "quiet" ? IconCircleMinus : IconAlertTriangle;
  return (
    <span className={classes.word} data-tone={tone}>
      <Shape size={15} aria-hidden /> <span>{children}</span>
    </span>
  );
}

export function Health({ endpoint }: { endpoint: Endpoint }) {
  const now = useNow();
  const left = Date.parse(endpoint.certificate_not_after) - now;
  const isRevoked = endpoint.state !== "active";
  return (
    <Facts
      rows={[
        [
          "Connection",
          isRevoked ? (
            <Word tone="quiet">revoked: it cannot connect</Word>
          ) : endpoint.connected ? (
            <Word tone="ok">connected</Word>
          ) : (
            <Word tone="quiet">offline: orders wait until it connects</Word>
          ),
        ],
        ["Last heard", <Time key="seen" at={endpoint.last_seen_at} empty="never" />],
        [
          "Certificate",
          left <= 0 ? (
            <Word tone="bad">
              ended <Time at={endpoint.certificate_not_after} />: it must enrol again
            </Word>
          ) : left < NEAR ? (
            <Word tone="warn">
              ends <Time at={endpoint.certificate_not_after} />, if its agent does not renew it
            </Word>
          ) : (
            <Word tone="ok">
              good until <Time at={endpoint.certificate_not_after} />
            </Word>
          ),
        ],
        ["Agent", <Name key="agent">{endpoint.agent_version}</Name>],
        ["Alarm", endpoint.alarm ? <Word tone="bad">see above</Word> : <Text size="sm">none</Text>],
      ]}
    />
  );
}
