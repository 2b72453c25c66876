/// Whether the trail is whole, as the server finds it, and how to prove that without believing the server.

import { Alert, Box, Button, Code, Collapse, Group, List, Loader, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconRefresh, IconCertificate, IconShieldCheck, IconShieldQuestion, IconShieldX } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { $api, type Schemas } from "../../api/client";
import { Copy } from "../../ui/Copy";
import { Facts } from "../../ui/Facts";
import { Failure } from "../../ui/Failure";
import { Stale } from "../../ui/Stale";
import { count, inertLines } from "../../ui/text";
import { duration, Time } from "../../ui/Time";
import { tone } from "../../ui/tone";
import classes from "./audit.module.css";

type Found = Schemas["AuditVerification"];

/** Milliseconds until one asks again how far a verification is. */
const AGAIN = 1500;

export function Verification() {
  const [isOpen, { toggle }] = useDisclosure(false);
  const { data, error, isFetching, dataUpdatedAt, refetch } = $api.useQuery(
    "get",
    "/api/v1/audit/verification",
    undefined,
    {
      staleTime: 60_000,
      refetchInterval: ({ state }) => (isGoing(state.data) ? AGAIN : false),
    },
  );
  if (error !== null && data === undefined) return <Failure error={error} retry={() => void refetch()} mb="sm" />;
  // What was found before says nothing of now: only a broken trail stays broken.
  const isOld = error !== null;
  const tint = data?.state === "broken" ? "bad" : data?.state === "intact" && !isOld ? "ok" : "quiet";
  return (
    <Alert
      variant="outline"
      color={{ bad: "red", ok: "green", quiet: "gray" }[tint]}
      icon={isOld && data?.state !== "broken" ? <IconShieldQuestion aria-hidden /> : <Mark found={data} />}
      title={isOld ? oldTitle(data) : titleOf(data)}
      mb="sm"
      styles={tone(tint)}
    >
      <Stale error={error} at={dataUpdatedAt} mb="xs" />
      <Text size="sm" component="div" aria-live="polite">
        {data === undefined ? "The server walks through every checkpoint and every record." : <Told found={data} />}
      </Text>
      {data?.state === "broken" ? <Problems found={data} /> : null}
      <Group gap="xs" mt="xs">
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconRefresh size={14} aria-hidden />}
          loading={isFetching || (isGoing(data) && !isOld)}
          onClick={() => void refetch()}
        >
          Verify now
        </Button>
        <Button size="compact-sm" variant="default" onClick={toggle} aria-expanded={isOpen}>
          Prove it without trusting the server
        </Button>
        <Button component={Link} to="/audit/checkpoints" size="compact-sm" variant="default">
          Checkpoints
        </Button>
      </Group>
      <Collapse expanded={isOpen}>{data ? <Proof found={data} /> : null}</Collapse>
    </Alert>
  );
}

function isGoing(found: Found | undefined): boolean {
  return found?.state === "incomplete" && (found.took_ms === null || found.took_ms === undefined);
}

function Mark({ found }: { found: Found | undefined }): ReactNode {
  if (found?.state === "broken") return <IconShieldX aria-hidden />;
  if (found?.state === "intact") return <IconShieldCheck aria-hidden />;
  return found === undefined || isGoing(found) ? <Loader size={18} aria-hidden /> : <IconCertificate aria-hidden />;
}

function titleOf(found: Found | undefined): string {
  switch (found?.state) {
    case undefined:
      return "The trail is verified…";
    case "intact":
      return "The trail is intact";
    case "broken":
      return `The trail is broken: ${count(found?.wrong ?? 0, "problem")}`;
    default:
      return isGoing(found) ? "The trail is verified…" : "The trail could not be verified to its end";
  }
}

/** What is said where the last look failed. */
function oldTitle(found: Found | undefined): string {
  if (found?.state === "broken") return `${titleOf(found)}, when it was looked at last`;
  return found?.state === "intact"
    ? "It is not known whether the trail is intact now; it was when it was looked at last"
    : "It is not known whether the trail is intact";
}

function Told({ found }: { found: Found }) {
  const { sealed_through: through, waiting } = found;
  return (
    <>
      {count(found.records, "record")} under {count(found.checkpoints, "checkpoint")}
      {through === null || through === undefined ? "" : `, sealed through number ${through.toLocaleString("en")}`}
      {found.sealed_at ? (
        <>
          {" "}
          (<Time at={found.sealed_at} />)
        </>
      ) : null}
      ; {waiting === 0 ? "every record is sealed" : `${count(waiting, "record")} not sealed yet`}. Key{" "}
      <code>{found.key_id}</code>. Looked at <Time at={found.verified_at} />
      {found.took_ms === null || found.took_ms === undefined ? "" : ` in ${duration(found.took_ms)}`}.
      {found.why ? ` ${inertLines(found.why)}` : ""}
    </>
  );
}

function Problems({ found }: { found: Found }) {
  return (
    <>
      <List size="sm" mt="xs">
        {found.problems.slice(0, 20).map(({ problem, checkpoint }) => (
          <List.Item key={`${String(checkpoint)} ${problem}`}>{inertLines(problem)}</List.Item>
        ))}
      </List>
      {found.wrong > 20 ? (
        <Text size="sm">and {(found.wrong - 20).toLocaleString("en")} more: the command below shows all of them.</Text>
      ) : null}
    </>
  );
}

function Proof({ found }: { found: Found }) {
  const command = `quell audit verify --key ${found.public_key}${found.last_checkpoint ? ` --kept ${found.last_checkpoint}` : ""}`;
  return (
    <Box mt="sm">
      <Text size="sm">
        What stands above is the server’s own word. Keep the key and this checkpoint elsewhere, now; later, run this
        where the database is (or on a copy of it). It walks through every record by itself, and finds one that was
        changed, removed or slipped in, and a trail that was cut after the checkpoint.
      </Text>
      <Group gap="xs" align="flex-start" wrap="nowrap" my="xs">
        <Code block className={classes.command} tabIndex={0} aria-label="Command that proves the trail">
          {command}
        </Code>
        <Copy value={command} label="Copy the command" />
      </Group>
      <Facts
        rows={[
          ["Public key", <code key="key">{found.public_key}</code>],
          ["Last checkpoint", found.last_checkpoint ? <code key="last">{found.last_checkpoint}</code> : undefined],
        ]}
      />
    </Box>
  );
}
