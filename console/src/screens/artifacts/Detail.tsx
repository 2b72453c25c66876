/// One artifact beside the list: digests, the way to open it, and who had it in hand.

import { Anchor, Drawer, Group, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { $api } from "../../api/client";
import { holds, lacking, useMe, whyNot } from "../../api/me";
import { useFilters } from "../../app/url";
import { Facts } from "../../ui/Facts";
import { Name } from "../../ui/Name";
import { Stale } from "../../ui/Stale";
import { bytes, clip, inert, words } from "../../ui/text";
import { Time } from "../../ui/Time";
import { Unread } from "../../ui/Unread";
import { sayTargets } from "../tasks/words";
import { Arrival, Digest, Download, Password, type Artifact } from "./ArtifactCard";
import { INSIDE } from "./inside-needs";

export function Detail({ id }: { id: string | undefined }) {
  const [, set] = useFilters();
  const answer = $api.useQuery(
    "get",
    "/api/v1/artifacts/{id}",
    { params: { path: { id: id ?? "" } } },
    { enabled: id !== undefined },
  );
  const artifact = answer.data;
  return (
    <Drawer
      opened={id !== undefined}
      onClose={() => {
        set({ open: undefined });
      }}
      title={artifact === undefined ? "Artifact" : clip(inert(artifact.name), 60)}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {artifact !== undefined ? (
        <>
          <Stale error={answer.error} at={answer.dataUpdatedAt} retry={() => void answer.refetch()} mb="md" />
          <Whole artifact={artifact} />
        </>
      ) : (
        <Unread answer={answer} label="Reading the artifact" />
      )}
    </Drawer>
  );
}

function Whole({ artifact }: { artifact: Artifact }) {
  const task = $api.useQuery("get", "/api/v1/tasks/{id}", { params: { path: { id: artifact.task_id } } });
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Arrival artifact={artifact} />
        <Download artifact={artifact} size="sm" />
      </Group>
      <Password artifact={artifact} />
      {artifact.state === "stored" && artifact.media_type === "application/zip" ? <Inside id={artifact.id} /> : null}
      <Facts
        rows={[
          [
            "Endpoint",
            <Anchor key="endpoint" component={Link} to={`/endpoints/${artifact.endpoint_id}`} size="sm">
              <Name length={60}>{artifact.endpoint_name}</Name>
            </Anchor>,
          ],
          [
            "Task",
            <Anchor key="task" component={Link} to={`/tasks/${artifact.task_id}`} size="sm">
              <Name length={100}>
                {task.data === undefined ? artifact.task_id : `${task.data.title}: ${sayTargets(task.data)}`}
              </Name>
            </Anchor>,
          ],
          ["Reason", task.data === undefined ? null : <Name key="reason">{task.data.reason}</Name>],
          ["Size", `${bytes(artifact.size)} (${artifact.size.toLocaleString("en")} bytes)`],
          ["Type", artifact.media_type],
          ["SHA-256", <Digest key="sha256" value={artifact.sha256} name="SHA-256" />],
          ["SHA-1", artifact.sha1 ? <Digest key="sha1" value={artifact.sha1} name="SHA-1" /> : null],
          ["Announced", <Time key="created" at={artifact.created_at} />],
          ["Complete", artifact.stored_at ? <Time key="stored" at={artifact.stored_at} /> : null],
          ["Deleted", <Time key="expires" at={artifact.expires_at} />],
          ["ID", <Digest key="id" value={artifact.id} name="id of the artifact" />],
        ]}
      />
      <Custody artifact={artifact} />
    </Stack>
  );
}

/** The way into the archive, or what it takes. */
function Inside({ id }: { id: string }) {
  const me = useMe();
  const lack = lacking(me, INSIDE);
  if (lack === undefined)
    return (
      <Anchor component={Link} to={`/artifacts/${id}`} size="sm">
        Look inside, without unpacking it
      </Anchor>
    );
  return (
    <Text size="sm" c="dimmed">
      To look inside: {whyNot(me, lack)}
    </Text>
  );
}

/** Who announced, stored, read the password of and downloaded it. */
function Custody({ artifact }: { artifact: Artifact }) {
  const me = useMe();
  const may = holds(me, "audit.read");
  const about = (object: string) => ({ params: { query: { object, limit: 200 } } });
  const own = $api.useQuery("get", "/api/v1/audit", about(artifact.id), { enabled: may });
  const task = $api.useQuery("get", "/api/v1/audit", about(artifact.task_id), { enabled: may });
  const secrets = (task.data?.items ?? []).filter((record) => /secret|password/.test(record.verb));
  const records = [...(own.data?.items ?? []), ...secrets].sort((one, other) => (one.id < other.id ? 1 : -1));
  return (
    <section aria-label="Custody">
      <Title order={3} mb={6}>
        Custody
      </Title>
      {may ? (
        <Stack gap={6}>
          <Stale error={own.error ?? task.error} at={own.dataUpdatedAt} />
          {own.data !== undefined && records.length === 0 ? (
            <Text size="sm" c="dimmed">
              The audit trail has no record of it.
            </Text>
          ) : null}
          {records.map((record) => (
            <Text key={record.id} size="sm">
              <b>{words(record.verb)}</b> by <Name length={60}>{record.actor_name}</Name>, <Time at={record.at} />
              {record.outcome === "ok" ? "" : `: ${inert(record.outcome)}`}
              {record.remote ? (
                <Text component="span" size="xs" c="dimmed">
                  {" "}
                  from <Name length={60}>{record.remote}</Name>
                </Text>
              ) : null}
            </Text>
          ))}
          <Anchor component={Link} to={`/audit?object=${artifact.id}`} size="sm">
            All records about it
          </Anchor>
        </Stack>
      ) : (
        <Text size="sm" c="dimmed">
          Who had it in hand stands in the audit trail, which needs the permission “audit.read”.
        </Text>
      )}
    </section>
  );
}
