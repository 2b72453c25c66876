/// How an endpoint is: what the server knows of its connection, its certificate and its agent.

import { IconAlertTriangle, IconCircleCheck, IconCircleMinus } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import type { Schemas } from "../../../api/client";
import { Facts } from "../../../ui/Facts";
import { Name } from "../../../ui/Name";
import { words } from "../../../ui/text";
import { Time } from "../../../ui/Time";
import classes from "../cells.module.css";
import type { EndpointWithHealth } from "../row";

function Word({ tone, children }: { tone: "ok" | "warn" | "bad" | "quiet"; children: ReactNode }) {
  const Shape = tone === "ok" ? IconCircleCheck : tone === "quiet" ? IconCircleMinus : IconAlertTriangle;
  return (
    <span className={classes.word} data-tone={tone}>
      <Shape size={15} aria-hidden /> <span>{children}</span>
    </span>
  );
}

export function Health({ endpoint }: { endpoint: EndpointWithHealth }) {
  const { health } = endpoint;
  return (
    <Facts
      rows={[
        ["Connection", <Connection key="connection" endpoint={endpoint} />],
        ["Last heard", <Time key="seen" at={endpoint.last_seen_at} empty="never" />],
        ["Certificate", <Certificate key="certificate" endpoint={endpoint} />],
        [
          "Agent",
          health.version_differs ? (
            <Word tone="warn">
              <Name>{endpoint.agent_version}</Name>; the server is {health.server_version}
            </Word>
          ) : (
            <Word tone="ok">
              <Name>{endpoint.agent_version}</Name>, as the server
            </Word>
          ),
        ],
        ["Protection", <Protection key="protection" recorder={endpoint.recorder} />],
        ["Recorder", <Recorder key="recorder" recorder={endpoint.recorder} />],
        ["Alarm", endpoint.alarm ? <Word tone="bad">see above</Word> : "none"],
        ["Orders", orders(health.open_commands, health.queued_commands)],
        [
          "Last failure",
          health.last_failure ? <Failed key="failed" failure={health.last_failure} /> : "none of its last 50",
        ],
      ]}
    />
  );
}

function Connection({ endpoint }: { endpoint: EndpointWithHealth }) {
  if (endpoint.state !== "active") return <Word tone="quiet">revoked: it cannot connect</Word>;
  if (endpoint.connected) return <Word tone="ok">connected</Word>;
  return <Word tone="quiet">offline: orders wait until it connects</Word>;
}

function Certificate({ endpoint }: { endpoint: EndpointWithHealth }) {
  const end = <Time at={endpoint.certificate_not_after} />;
  switch (endpoint.health.certificate) {
    case "over":
      return <Word tone="bad">ended {end}: it must enrol again</Word>;
    case "ending":
      return <Word tone="warn">ends {end}; its agent should have renewed it</Word>;
    default:
      return <Word tone="ok">good until {end}</Word>;
  }
}

type Told = { recorder: EndpointWithHealth["recorder"] };

/** Which version of what is set is in force there. */
function Protection({ recorder }: Told) {
  if (recorder == null || recorder.protection === 0) return <Word tone="warn">none that its agent told of</Word>;
  const version = `version ${String(recorder.protection)}`;
  return recorder.current ? (
    <Word tone="ok">{version} is in force</Word>
  ) : (
    <Word tone="warn">{version} is in force; there is a newer one</Word>
  );
}

/** Whether it records what happens, in its agent's words. */
function Recorder({ recorder }: Told) {
  const { recording, why } = (recorder?.detail ?? {}) as { recording?: unknown; why?: unknown };
  const reason =
    typeof why === "string" ? (
      <>
        : <Name length={200}>{why}</Name>
      </>
    ) : null;
  if (recording === true) return <Word tone={reason === null ? "ok" : "warn"}>records{reason}</Word>;
  return recording === false ? (
    <Word tone="warn">does not record{reason}</Word>
  ) : (
    <Word tone="quiet">not told yet</Word>
  );
}

function orders(open: number, queued: number): string {
  if (open === 0) return "nothing is open";
  const all = open >= 1000 ? "1,000 or more open" : `${open.toLocaleString("en")} open`;
  return queued === 0
    ? all
    : `${all}, ${queued.toLocaleString("en")} of them ${queued === 1 ? "waits" : "wait"} for it`;
}

function Failed({ failure }: { failure: Schemas["LastFailure"] }) {
  return (
    <span>
      <Link to={`/tasks/${failure.task}`} className={classes.link}>
        {words(failure.action)} {words(failure.state)}
      </Link>{" "}
      <Time at={failure.ended_at} />
      {failure.message ? (
        <>
          : <Name length={200}>{failure.message}</Name>
        </>
      ) : null}
    </span>
  );
}
