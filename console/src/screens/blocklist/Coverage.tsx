/// Who enforces which version, and who is behind.

import { Stack, Text, Title } from "@mantine/core";

import { $api, type Schemas } from "../../api/client";
import { Name } from "../../ui/Name";
import { SmallTable } from "../../ui/SmallTable";
import { Time } from "../../ui/Time";
import { Unread } from "../../ui/Unread";

export function Coverage() {
  const answer = $api.useQuery("get", "/api/v1/blocklist/coverage", undefined, { refetchInterval: 5000 });
  if (answer.data === undefined) return <Unread answer={answer} label="Reading who enforces the list" />;
  const { version, endpoints, current, behind, silent, laggards, versions, kinds } = answer.data;
  return (
    <Stack gap="lg">
      <Text size="sm">
        {current} of {endpoints} endpoints enforce version {version}; {behind} are behind or away, {silent} take no
        block list.
      </Text>
      <Kinds kinds={kinds} />
      {versions.length === 0 ? null : (
        <section aria-labelledby="blocklist-versions">
          <Title order={2} size="h4" id="blocklist-versions">
            Endpoints by version
          </Title>
          <SmallTable
            columns={[
              { title: "Version", cell: (each) => each.version },
              { title: "Endpoints", cell: (each) => each.endpoints },
            ]}
            rows={versions}
            of={(each) => each.version}
          />
        </section>
      )}
      <Laggards rows={laggards} />
    </Stack>
  );
}

function Laggards({ rows }: { rows: Schemas["Laggard"][] }) {
  if (rows.length === 0) return <Text size="sm">Nobody is behind.</Text>;
  return (
    <section aria-labelledby="blocklist-behind">
      <Title order={2} size="h4" id="blocklist-behind">
        Not at the newest version
      </Title>
      <SmallTable
        columns={[
          { title: "Endpoint", cell: (row) => <Name length={60}>{row.name}</Name> },
          { title: "Connected", cell: (row) => (row.connected ? "yes" : "no") },
          {
            title: "Enforces",
            cell: (row) =>
              row.takes_none
                ? "takes no list"
                : row.version == null
                  ? "not said yet"
                  : `version ${String(row.version)}`,
          },
          { title: "Said", cell: (row) => <Time at={row.reported_at} /> },
        ]}
        rows={rows}
        of={(row) => row.id}
        minWidth={420}
      />
    </section>
  );
}

function Kinds({ kinds }: { kinds: Record<string, Schemas["KindCount"]> }) {
  const all = Object.entries(kinds);
  if (all.length === 0) return null;
  return (
    <section aria-labelledby="blocklist-kinds">
      <Title order={2} size="h4" id="blocklist-kinds">
        What endpoints do about each kind
      </Title>
      <SmallTable
        columns={[
          { title: "Kind", cell: ([kind]) => kind },
          { title: "Enforce it", cell: ([, each]) => each.enforced },
          { title: "Partly", cell: ([, each]) => each.partly },
          { title: "Not at all", cell: ([, each]) => each.not_here },
          { title: "Why", cell: ([, each]) => <Name length={120}>{each.why}</Name> },
        ]}
        rows={all}
        of={([kind]) => kind}
        minWidth={420}
      />
    </section>
  );
}
