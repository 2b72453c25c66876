/// The very script that would run: found by its digest, and hashed again here.

import { Alert, Loader, Stack, Text } from "@mantine/core";
import { useEffect, useState } from "react";

import { $api, type Schemas } from "../../api/client";
import { holds, useMe } from "../../api/me";
import { Name } from "../../ui/Name";
import { Raw } from "../../ui/Raw";
import { sha256 } from "./digest";

const PREFIX = "sha256:";

export function ScriptBody({ reference }: { reference: string }) {
  const me = useMe();
  return reference.startsWith(PREFIX) && holds(me, "library.read") ? (
    <Found digest={reference.slice(PREFIX.length)} />
  ) : null;
}

function Found({ digest }: { digest: string }) {
  const { data, isPending } = $api.useQuery(
    "get",
    "/api/v1/library/versions/{sha256}",
    { params: { path: { sha256: digest } } },
    { retry: false },
  );
  if (isPending) return <Loader size="xs" aria-label="Looking for what is named" />;
  const version = data?.find((each) => each.sha256 === digest);
  if (version === undefined)
    return (
      <Text size="xs" c="var(--quell-warn)">
        The library holds nothing of this digest any more: what would run cannot be read here.
      </Text>
    );
  return <Body version={version} digest={digest} />;
}

function Body({ version, digest }: { version: Schemas["LibraryVersion"]; digest: string }) {
  const { data } = $api.useQuery(
    "get",
    "/api/v1/library/{kind}/{name}/versions/{version}",
    { params: { path: { kind: version.kind, name: version.name, version: version.version } } },
    { staleTime: Infinity },
  );
  const body = data?.body ?? undefined;
  const [computed, setComputed] = useState<string | undefined>();
  useEffect(() => {
    if (body !== undefined) void sha256(new TextEncoder().encode(body)).then(setComputed, () => undefined);
  }, [body]);
  if (body === undefined) return <Loader size="xs" aria-label="Reading the script" />;
  return (
    <Stack gap={4} mt={4}>
      <Text size="sm">
        <b>
          <Name length={60}>{version.name}</Name>
        </b>
        , version {version.version}, by <Name length={60}>{version.created_by}</Name>
      </Text>
      {computed !== undefined && computed !== digest ? (
        <Alert color="red" variant="outline" role="alert">
          <Text size="sm">This text has another digest than the script that would run. Do not approve.</Text>
        </Alert>
      ) : null}
      <Raw value={body} label="What would run" mah={320} />
    </Stack>
  );
}
