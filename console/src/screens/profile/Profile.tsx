/// You: who you are here, how you come in, where you are signed in, what you may do.

import { Tabs } from "@mantine/core";
import type { ReactNode } from "react";

import { useMe } from "../../api/me";
import { useFilters } from "../../app/url";
import { Name } from "../../ui/Name";
import { Page } from "../../ui/Page";
import { Account } from "./Account";
import { OpenSessions } from "./OpenSessions";
import { Rights } from "./Rights";
import { WaysIn } from "./WaysIn";

const TABS: [id: string, title: string, show: () => ReactNode][] = [
  ["account", "Account", () => <Account />],
  ["ways-in", "Ways in", () => <WaysIn />],
  ["sessions", "Sessions", () => <OpenSessions />],
  ["rights", "What you may do", () => <Rights />],
];

export default function Profile() {
  const me = useMe();
  const [filters, set] = useFilters();
  const now = TABS.some(([id]) => id === filters["tab"]) ? (filters["tab"] ?? "account") : "account";
  return (
    <Page
      title={me.name}
      about={
        <>
          {me.email ?? me.kind} · signed in to <Name length={60}>{me.tenant.name}</Name>
        </>
      }
    >
      <Tabs
        value={now}
        keepMounted={false}
        onChange={(tab) => {
          set({ tab: tab === "account" ? undefined : (tab ?? undefined) });
        }}
      >
        <Tabs.List mb="md">
          {TABS.map(([id, title]) => (
            <Tabs.Tab key={id} value={id}>
              {title}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {TABS.map(([id, , show]) => (
          <Tabs.Panel key={id} value={id}>
            {show()}
          </Tabs.Panel>
        ))}
      </Tabs>
    </Page>
  );
}
