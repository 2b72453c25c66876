/// The checkpoints under which the trail is sealed: whoever keeps one elsewhere can show later that the trail was cut.

import { Button, Drawer, Stack, Text } from "@mantine/core";
import { IconArrowLeft, IconCertificate } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import { $api, type Schemas } from "../../api/client";
import { PAGED, usePages } from "../../api/pages";
import { useFilters } from "../../app/url";
import { Copy } from "../../ui/Copy";
import { DataTable, type Column } from "../../ui/DataTable";
import { Empty } from "../../ui/Empty";
import { Facts } from "../../ui/Facts";
import { Export } from "../../ui/Filters";
import { Page } from "../../ui/Page";
import { Raw } from "../../ui/Raw";
import { exact, Time } from "../../ui/Time";

type Checkpoint = Schemas["AuditCheckpoint"];

function kept(checkpoint: Checkpoint): string {
  return `${String(checkpoint.number)}:${checkpoint.sha256}`;
}

const COLUMNS: Column<Checkpoint>[] = [
  { id: "number", title: "Number", width: "100px", isNarrow: true, cell: (each) => String(each.number) },
  { id: "sealed", title: "Sealed", width: "130px", isNarrow: true, cell: (each) => <Time at={each.sealed_at} /> },
  {
    id: "records",
    title: "Records",
    width: "100px",
    isNarrow: true,
    cell: (each) => each.records.toLocaleString("en"),
  },
  {
    id: "sha256",
    title: "SHA-256",
    width: "minmax(160px, 2fr)",
    cell: (each) => <code data-hint={each.sha256}>{each.sha256}</code>,
  },
  { id: "key", title: "Key", width: "170px", cell: (each) => <code>{each.key_id}</code> },
];

export default function Checkpoints() {
  const [search, set] = useFilters();
  const pages = usePages(
    $api.useInfiniteQuery("get", "/api/v1/audit/checkpoints", { params: { query: { limit: 500 } } }, PAGED),
  );
  const to = useMemo(() => (each: Checkpoint) => `/audit/checkpoints?number=${String(each.number)}`, []);
  const opened = pages.rows.find((each) => String(each.number) === search["number"]);
  return (
    <Page
      title="Checkpoints"
      about="Each seals the records since the one before, and names that one by its digest. Oldest first."
      actions={
        <Button component={Link} to="/audit" variant="default" leftSection={<IconArrowLeft size={16} aria-hidden />}>
          Audit
        </Button>
      }
    >
      <DataTable
        label="Checkpoints"
        columns={COLUMNS}
        pages={pages}
        id={(each) => String(each.number)}
        name={(each) => `checkpoint ${String(each.number)}`}
        to={to}
        tools={<Export path="/api/v1/audit/checkpoints" query={{}} />}
        empty={
          <Empty icon={IconCertificate} title="Nothing is sealed yet">
            A second after the first record the server makes the first checkpoint.
          </Empty>
        }
      />
      <Drawer
        opened={opened !== undefined}
        onClose={() => {
          set({ number: undefined });
        }}
        title={`Checkpoint ${search["number"] ?? ""}`}
      >
        {opened ? <Shown checkpoint={opened} /> : null}
      </Drawer>
    </Page>
  );
}

function Shown({ checkpoint }: { checkpoint: Checkpoint }) {
  return (
    <Stack gap="sm">
      <Text size="sm">
        Keep this elsewhere; <code>quell audit verify --kept</code> takes it:
      </Text>
      <Text size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>
        {kept(checkpoint)} <Copy value={kept(checkpoint)} label="Copy the checkpoint" />
      </Text>
      <Facts
        rows={[
          ["Sealed", exact(Date.parse(checkpoint.sealed_at))],
          ["Records", checkpoint.records.toLocaleString("en")],
          ["First record", <code key="first">{checkpoint.first}</code>],
          ["Last record", <code key="last">{checkpoint.last}</code>],
          ["Merkle root", <code key="root">{checkpoint.root}</code>],
          ["The one before", checkpoint.previous === "" ? "none: it is the first" : <code>{checkpoint.previous}</code>],
          ["Key", <code key="key">{checkpoint.key_id}</code>],
        ]}
      />
      <Raw value={checkpoint} label="As the API has it" />
    </Stack>
  );
}
