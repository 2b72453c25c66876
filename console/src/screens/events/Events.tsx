/// The Events section: what was detected wherever it came from, and the response actions that incidents led to.

import { Tabs } from "@mantine/core";

import { holds, useMe } from "../../api/me";
import { useFilters } from "../../app/url";
import { Page } from "../../ui/Page";
import { ActionTable } from "./ActionTable";
import { EventTable } from "./EventTable";

export default function Events() {
  const me = useMe();
  const [search, set] = useFilters();
  const tab = search["tab"] === "actions" ? "actions" : "events";
  return (
    <Page
      title="Events"
      about="What the protection of endpoints registered, what other products told, and what was done about it."
    >
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(next) => {
          set({
            ...Object.fromEntries(Object.keys(search).map((key) => [key, undefined])),
            tab: next === "actions" ? next : undefined,
          });
        }}
      >
        <Tabs.List mb="sm">
          <Tabs.Tab value="events">Events and incidents</Tabs.Tab>
          <Tabs.Tab value="actions" disabled={!holds(me, "task.read")}>
            Response actions
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="events">
          <EventTable />
        </Tabs.Panel>
        <Tabs.Panel value="actions">
          <ActionTable incident="any" />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
