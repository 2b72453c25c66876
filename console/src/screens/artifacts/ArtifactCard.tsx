/// A stored file: how it stands, its digests, how to get it and open it.

import { Anchor, Box, Button, Group, Progress, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";

import { api, data, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { Copy } from "../../ui/Copy";
import { Deed } from "../../ui/Deed";
import { Facts } from "../../ui/Facts";
import { Name } from "../../ui/Name";
import { State } from "../../ui/State";
import { bytes } from "../../ui/text";
import { Time } from "../../ui/Time";
import { Reveal } from "../tasks/Reveal";
import classes from "../tasks/Task.module.css";

export type Artifact = Schemas["Artifact"];

/** Why the file cannot be had, or `undefined` where it can. */
function whyNone(artifact: Artifact): string | undefined {
  switch (artifact.state) {
    case "stored":
      return undefined;
    case "uploading":
      return "The endpoint is still sending it.";
    case "failed":
      return "It never arrived whole.";
    default:
      return "It was deleted when its time was over.";
  }
}

export function Download({ artifact, size }: { artifact: Artifact; size?: string }) {
  const me = useMe();
  const why = whyNone(artifact) ?? whyNot(me, "artifact.download");
  const look = { size: size ?? "compact-sm", leftSection: <IconDownload size={14} aria-hidden /> };
  return why === undefined ? (
    <Button component="a" href={`/api/v1/artifacts/${artifact.id}/content`} download {...look}>
      Download
    </Button>
  ) : (
    <Deed why={why} {...look}>
      Download
    </Deed>
  );
}

/** How much of it is there, while it comes. */
export function Arrival({ artifact }: { artifact: Artifact }) {
  if (artifact.state !== "uploading") return <State state={artifact.state} />;
  return (
    <Box miw={120}>
      <Text size="xs" c="dimmed">
        {bytes(artifact.received)} of {bytes(artifact.size)}
      </Text>
      <Progress
        size="sm"
        value={artifact.size === 0 ? 0 : (artifact.received / artifact.size) * 100}
        aria-label={`Upload of ${artifact.name}`}
      />
    </Box>
  );
}

export function Digest({ value, name }: { value: string; name: string }) {
  return (
    <Group gap={4} wrap="nowrap">
      <Text component="span" ff="monospace" fz="xs" style={{ overflowWrap: "anywhere" }}>
        {value}
      </Text>
      <Copy value={value} label={`Copy the ${name}`} />
    </Group>
  );
}

export function ArtifactCard({ artifact }: { artifact: Artifact }) {
  return (
    <Box className={classes.card}>
      <Group justify="space-between" gap="xs" mb="xs">
        <Group gap="xs" miw={0}>
          <Anchor component={Link} to={`/artifacts?open=${artifact.id}`} size="sm" fw={600}>
            <Name length={60}>{artifact.name}</Name>
          </Anchor>
          <Text size="sm">{bytes(artifact.size)}</Text>
          <Arrival artifact={artifact} />
        </Group>
        <Download artifact={artifact} />
      </Group>
      <Password artifact={artifact} />
      <Box mt="xs">
        <Facts
          rows={[
            ["SHA-256", <Digest key="sha256" value={artifact.sha256} name="SHA-256" />],
            ["SHA-1", artifact.sha1 ? <Digest key="sha1" value={artifact.sha1} name="SHA-1" /> : null],
            ["Deleted", <Time key="expires" at={artifact.expires_at} />],
          ]}
        />
      </Box>
    </Box>
  );
}

/** Collected files lie in an archive that nothing opens by accident. */
export function Password({ artifact }: { artifact: Artifact }) {
  return (
    <Reveal
      what="the archive password"
      about="The file lies in an AES-256 archive, so that nothing opens it by accident; 7-Zip reads it."
      why={artifact.state === "stored" ? undefined : whyNone(artifact)}
      read={async () => {
        const shown = await data(
          api.POST("/api/v1/tasks/{id}/archive-password", { params: { path: { id: artifact.task_id } } }),
        );
        return shown.password;
      }}
    />
  );
}
