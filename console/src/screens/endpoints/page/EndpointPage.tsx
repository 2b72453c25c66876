/// One endpoint: how it stands, what it is, what was done to it, and what can be done.

import { Group, Tabs, Text } from "@mantine/core";
import { useParams } from "@tanstack/react-router";

import { $api } from "../../../api/client";
import { holds, useMe } from "../../../api/me";
import { useFilters } from "../../../app/url";
import { Copy } from "../../../ui/Copy";
import { Name } from "../../../ui/Name";
import { Page } from "../../../ui/Page";
import { Stale } from "../../../ui/Stale";
import { Time } from "../../../ui/Time";
import { Unread } from "../../../ui/Unread";
import { Trail } from "../../audit/Trail";
import { Health } from "../columns";
import { textFact, type EndpointWithHealth } from "../row";
import { About } from "./About";
import { AlarmBanner } from "./AlarmBanner";
import { Deeds } from "./Deeds";
import { IsolationBanner } from "./IsolationBanner";
import { EndpointArtifacts, EndpointTasks } from "./Lists";
import { TagsEditor } from "./TagsEditor";

const TABS = [
  { value: "about", label: "About", needs: "endpoint.read" },
  { value: "tasks", label: "Tasks", needs: "task.read" },
  { value: "artifacts", label: "Artifacts", needs: "artifact.read" },
  { value: "audit", label: "Audit", needs: "audit.read" },
] as const;

export default function EndpointPage() {
  const { id = "" } = useParams({ strict: false });
  const answer = $api.useQuery("get", "/api/v1/endpoints/{id}", { params: { path: { id } } });
  if (answer.data === undefined) return <Unread answer={answer} label="Reading the endpoint" m="xl" />;
  return (
    <>
      <Stale error={answer.error} at={answer.dataUpdatedAt} retry={() => void answer.refetch()} mb="md" />
      <Shown key={answer.data.id} endpoint={answer.data} />
    </>
  );
}

function Shown({ endpoint }: { endpoint: EndpointWithHealth }) {
  const me = useMe();
  const [search, set] = useFilters();
  const name = textFact(endpoint.facts, "os_name") ?? "";
  const version = textFact(endpoint.facts, "os_version") ?? "";
  const system = name.includes(version) ? name : `${name} ${version}`.trim();
  return (
    <Page
      title={endpoint.name}
      about={
        <Group gap="sm" mt={4}>
          <Health row={{ ...endpoint, alarm: endpoint.alarm ?? null }} />
          <Text span size="sm">
            <Name length={60}>{system.trim() || endpoint.os}</Name>
          </Text>
          {endpoint.connected ? null : (
            <Text span size="sm">
              last heard <Time at={endpoint.last_seen_at} empty="never" />
            </Text>
          )}
          <Group gap={2} wrap="nowrap">
            <code data-hint={endpoint.id}>{endpoint.id.slice(-12)}</code>
            <Copy value={endpoint.id} label="Copy the id" />
          </Group>
          <TagsEditor endpoint={endpoint} />
        </Group>
      }
      actions={<Deeds endpoint={endpoint} />}
    >
      <AlarmBanner endpoint={endpoint} />
      <IsolationBanner endpoint={endpoint} />
      <Tabs
        value={search["tab"] ?? "about"}
        onChange={(tab) => {
          set({ tab: tab === "about" || tab === null ? undefined : tab });
        }}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          {TABS.map(({ value, label, needs }) => (
            <Tabs.Tab key={value} value={value} disabled={!holds(me, needs)}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="about">
          <About endpoint={endpoint} />
        </Tabs.Panel>
        <Tabs.Panel value="tasks">
          <EndpointTasks endpoint={endpoint} />
        </Tabs.Panel>
        <Tabs.Panel value="artifacts">
          <EndpointArtifacts endpoint={endpoint} />
        </Tabs.Panel>
        <Tabs.Panel value="audit">
          <Trail about={endpoint.id} label="Records of this endpoint" />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
