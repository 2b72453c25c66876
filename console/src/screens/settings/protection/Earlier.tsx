/// The newest versions, who made them, what they changed as the audit trail has it, and a way back to each.

import { Badge, Box, Group, Stack, Text } from "@mantine/core";

import { $api, type Schemas } from "../../../api/client";
import { holds, useMe } from "../../../api/me";
import { Deed } from "../../../ui/Deed";
import { Lines } from "../../../ui/draft/Lines";
import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import { Note } from "../../../ui/Note";
import { Time } from "../../../ui/Time";
import { changes, whole, type Settings, type Titles } from "./settings";
import type { Protection } from "./useProtection";

type Props = {
  protection: Protection;
  now: Settings;
  titles: Titles;
  take: (settings: Settings) => void;
  why: string | undefined;
};

type Detail = { version?: unknown; before?: unknown; after?: unknown };

/**
 * Settings as the trail has them; nothing where it has none. Of exclusions that did not change it has the number alone: then
 * those of now stand in their place.
 */
function told(value: unknown, now: Settings): Settings | undefined {
  if (typeof value !== "object" || value === null || !("modes" in value) || !("behaviour" in value)) return undefined;
  const { exclusions } = value as { exclusions?: unknown };
  const stored = value as Schemas["ProtectionSettings"];
  return whole(Array.isArray(exclusions) ? stored : { ...stored, exclusions: now.exclusions });
}

export function Earlier(props: Props) {
  const me = useMe();
  const may = holds(me, "audit.read");
  const trail = $api.useQuery(
    "get",
    "/api/v1/audit",
    { params: { query: { verb: "protection.set", limit: 30 } } },
    { enabled: may },
  );
  const details = new Map(
    (trail.data?.items ?? []).map((record) => {
      const detail = (record.detail ?? {}) as Detail;
      return [detail.version, detail];
    }),
  );
  return (
    <Stack gap="sm" maw={860}>
      {may ? null : <Note>What each changed stands in the audit trail, which needs the permission “audit.read”.</Note>}
      <Failure error={trail.error} retry={() => void trail.refetch()} />
      {props.protection.changes.map((change) => (
        <Version key={change.version} {...props} change={change} detail={details.get(change.version)} />
      ))}
    </Stack>
  );
}

type VersionProps = Props & { change: Schemas["ProtectionChange"]; detail: Detail | undefined };

function Version({ change, detail, protection, now, titles, take, why }: VersionProps) {
  const [before, after] = [told(detail?.before, now), told(detail?.after, now)];
  const lines = before === undefined || after === undefined ? [] : changes(before, after, titles);
  const isNow = before !== undefined && changes(before, now, titles).length === 0;
  return (
    <Box p="sm" style={{ border: "1px solid var(--quell-line)", borderRadius: "var(--mantine-radius-sm)" }}>
      <Group justify="space-between" gap="xs">
        <Group gap="xs">
          <Text size="sm">
            <b>Version {change.version}</b> by <Name length={60}>{change.changed_by}</Name>,{" "}
            <Time at={change.changed_at} />
          </Text>
          {protection.published_version === change.version ? (
            <Badge variant="default" tt="none">
              given to agents
            </Badge>
          ) : change.signed ? null : (
            <Badge variant="default" tt="none">
              not signed
            </Badge>
          )}
        </Group>
        {before === undefined ? null : (
          <Deed
            size="compact-sm"
            variant="default"
            why={why ?? (isNow ? "What was before is what holds." : undefined)}
            onClick={() => {
              take(before);
            }}
          >
            Begin with what was before
          </Deed>
        )}
      </Group>
      <Lines lines={lines} />
    </Box>
  );
}
