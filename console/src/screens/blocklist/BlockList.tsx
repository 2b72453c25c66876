/// The block list as a whole: a line that says how it stands, and a tab for each thing that is done with it.

import { Button, Group, Tabs, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";

import { useAct } from "../../act/start";
import { $api } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { useFilters } from "../../app/url";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { Page } from "../../ui/Page";
import { count } from "../../ui/text";
import { Time } from "../../ui/Time";
import { Coverage } from "./Coverage";
import { Exceptions } from "./Exceptions";
import { Hits } from "./Hits";
import { ImportFile } from "./ImportFile";
import { Objects } from "./Objects";

const TABS = [
  ["objects", "Objects"],
  ["coverage", "Coverage"],
  ["hits", "Hits"],
  ["import", "Import"],
  ["exceptions", "Exceptions"],
] as const;

export default function BlockList() {
  const me = useMe();
  const act = useAct();
  const [filters, set] = useFilters();
  const tab = TABS.find(([name]) => name === filters["tab"])?.[0] ?? "objects";
  return (
    <Page
      title="Block list"
      about="Files, addresses, domains, URLs and senders that endpoints refuse or report. What is listed counts for what happens from then on; nothing that runs is ended."
      actions={
        <Group gap="xs">
          <Deed
            variant="default"
            why={whyNot(me, "task.submit", "blocklist.remove")}
            onClick={() => {
              act({ action: "blocklist.remove" });
            }}
          >
            Remove objects
          </Deed>
          <Deed
            why={whyNot(me, "task.submit", "blocklist.add")}
            leftSection={<IconPlus size={16} aria-hidden />}
            onClick={() => {
              act({ action: "blocklist.add" });
            }}
          >
            Add objects
          </Deed>
        </Group>
      }
    >
      <Standing
        open={() => {
          set({ tab: "coverage" });
        }}
      />
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(next) => {
          set({ tab: next === "objects" ? undefined : (next ?? undefined) });
        }}
      >
        <Tabs.List aria-label="Parts of the block list" mb="sm">
          {TABS.map(([name, title]) => (
            <Tabs.Tab key={name} value={name}>
              {title}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={tab}>
          {tab === "objects" ? (
            <Objects />
          ) : tab === "coverage" ? (
            <Coverage />
          ) : tab === "hits" ? (
            <Hits />
          ) : tab === "import" ? (
            <ImportFile />
          ) : (
            <Exceptions />
          )}
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

/** Version, size, and how far the endpoints are. */
function Standing({ open }: { open: () => void }) {
  const whole = $api.useQuery("get", "/api/v1/blocklist");
  const coverage = $api.useQuery("get", "/api/v1/blocklist/coverage");
  if (whole.error !== null) return <Failure error={whole.error} retry={() => void whole.refetch()} />;
  if (whole.data === undefined) return <Text size="sm">Reading…</Text>;
  const { version, published, objects, updated_at } = whole.data;
  const behind = coverage.data === undefined ? undefined : coverage.data.endpoints - coverage.data.current;
  return (
    <Group gap="md" mb="sm">
      <Text size="sm">
        Version <b>{version}</b>
        {published < version
          ? `, of which ${String(published)} is handed out: the signer has not signed the rest yet`
          : ""}
      </Text>
      <Text size="sm">{count(objects, "object")}</Text>
      {updated_at == null ? null : (
        <Text size="sm">
          changed <Time at={updated_at} />
        </Text>
      )}
      {coverage.data === undefined ? null : (
        <Button size="compact-sm" variant="default" onClick={open}>
          {behind === 0
            ? `All ${String(coverage.data.endpoints)} endpoints enforce it`
            : `${String(behind)} of ${String(coverage.data.endpoints)} endpoints do not enforce it`}
        </Button>
      )}
    </Group>
  );
}
