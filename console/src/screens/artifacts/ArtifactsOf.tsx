/// The files that a command brought, beside the command.

import { Stack, Title } from "@mantine/core";

import { $api } from "../../api/client";
import { holds, useMe } from "../../api/me";
import { Failure } from "../../ui/Failure";
import { ArtifactCard } from "./ArtifactCard";

type Props = { task: string; command: string; isLive: boolean };

/** Nothing where there is no file. */
export function ArtifactsOf({ task, command, isLive }: Props) {
  const me = useMe();
  const answer = $api.useQuery(
    "get",
    "/api/v1/artifacts",
    { params: { query: { task, limit: 500 } } },
    { enabled: holds(me, "artifact.read"), refetchInterval: isLive ? 2000 : false },
  );
  const own = (answer.data?.items ?? []).filter((artifact) => artifact.command_id === command);
  if (answer.error !== null) return <Failure error={answer.error} retry={() => void answer.refetch()} />;
  if (own.length === 0) return null;
  return (
    <section aria-label="Artifacts">
      <Title order={3} mb={6}>
        {own.length === 1 ? "Artifact" : "Artifacts"}
      </Title>
      <Stack gap="xs">
        {own.map((artifact) => (
          <ArtifactCard key={artifact.id} artifact={artifact} />
        ))}
      </Stack>
    </section>
  );
}
