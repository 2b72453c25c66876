/// Mail: the relay, who is told besides, and the words.

import { Tabs } from "@mantine/core";

import { $api } from "../../../api/client";
import { useFilters } from "../../../app/url";
import { Page } from "../../../ui/Page";
import { Unread } from "../../../ui/Unread";
import { Relay } from "./Relay";
import { Templates } from "./Templates";

export default function Mail() {
  const [filters, set] = useFilters();
  const mail = $api.useQuery("get", "/api/v1/mail");
  const tab = filters["tab"] === "words" ? "words" : "relay";
  return (
    <Page
      title="Mail"
      about="People are told by mail of requests that wait for them, of decisions, and of tasks that failed. A link in it is for its reader alone."
    >
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(next) => {
          set({ tab: next === "words" ? "words" : undefined, kind: undefined });
        }}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="relay">Sending</Tabs.Tab>
          <Tabs.Tab value="words">Words</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="relay">
          <Unread answer={mail} label="Reading the settings" />
          {mail.data === undefined ? null : <Relay settings={mail.data} />}
        </Tabs.Panel>
        <Tabs.Panel value="words">
          <Templates />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
