/// Where an archive came from, that it is the one that came, and who had to do with it since.

import { Anchor, Skeleton, Stack, Text, Title } from "@mantine/core";

import { $api } from "../../api/client";
import { Facts } from "../../ui/Facts";
import { Name } from "../../ui/Name";
import { inert, words } from "../../ui/text";
import { Time } from "../../ui/Time";
import { Unread } from "../../ui/Unread";
import { Digest } from "./ArtifactCard";

function signed(told: string | null | undefined, sha256: string): string {
  if (!told) return "The endpoint signed no hash of it: what arrived stands only in the receipt.";
  return told === sha256
    ? "The endpoint signed the hash of the file that arrived."
    : "The endpoint signed another hash.";
}

export function InsideCustody({ id }: { id: string }) {
  const answer = $api.useQuery("get", "/api/v1/artifacts/{id}/custody", { params: { path: { id } } });
  if (answer.data === undefined) {
    return (
      <Unread answer={answer}>
        <Skeleton height={240} />
      </Unread>
    );
  }
  const { seal, receipt, accesses, truncated, sha256 } = answer.data;
  return (
    <Stack gap="lg">
      <section aria-label="Seal">
        <Title order={2} mb={6}>
          Sealed at the source
        </Title>
        {seal ? (
          <Facts
            rows={[
              ["File", signed(seal.sha256, sha256)],
              ["SHA-256", <Digest key="sha256" value={sha256} name="SHA-256 of the file" />],
              [
                "Manifest",
                seal.manifest_sha256 ? (
                  <Digest key="manifest" value={inert(seal.manifest_sha256)} name="SHA-256 of the manifest" />
                ) : null,
              ],
              ["Sealed", <Time key="sealed" at={seal.sealed_at} />],
              ["Endpoint’s key", <Digest key="key" value={seal.key} name="endpoint’s public key" />],
            ]}
          />
        ) : (
          <Text size="sm">Its command has not ended: the endpoint has signed nothing yet.</Text>
        )}
      </section>
      <section aria-label="Receipt">
        <Title order={2} mb={6}>
          Received
        </Title>
        {receipt ? (
          <Facts
            rows={[
              ["Received", <Time key="received" at={receipt.received_at} />],
              ["Checkpoint", `${String(receipt.batch)}, record ${String(receipt.index)}`],
              ["Server’s key", <Digest key="key" value={receipt.key} name="server’s public key" />],
              [
                "Offline",
                <Text key="offline" size="sm">
                  <Anchor href={`/api/v1/artifacts/${id}/custody`} download={`custody-${id}.json`}>
                    Keep the custody
                  </Anchor>{" "}
                  and verify it with <code>quell artifacts verify FILE --receipt custody.json</code>.
                </Text>,
              ],
            ]}
          />
        ) : (
          <Text size="sm">Its arrival stands under no checkpoint yet; that takes a second.</Text>
        )}
      </section>
      <section aria-label="Accesses">
        <Title order={2} mb={6}>
          Who had to do with it
        </Title>
        <Stack gap={6}>
          {accesses.map((access) => (
            <Text key={access.record_id} size="sm">
              <b>{inert(words(access.verb))}</b> by <Name length={60}>{access.actor_name}</Name>,{" "}
              <Time at={access.at} />
            </Text>
          ))}
          {truncated ? <Text size="sm">There are more: the audit trail has all of them.</Text> : null}
        </Stack>
      </section>
    </Stack>
  );
}
