/// The inbox of approvals: what waits for a decision, what one asked for oneself, what was decided.

import { Button, Tabs } from "@mantine/core";
import { IconSettings } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";

import { holds, useMe } from "../../api/me";
import { useFilters } from "../../app/url";
import { Page } from "../../ui/Page";
import { History } from "./History";
import { Inbox } from "./Inbox";
import { usePending } from "./request";

type Tab = "open" | "mine" | "history";

const TABS: Tab[] = ["open", "mine", "history"];

export default function Approvals() {
  const me = useMe();
  const [filters, set] = useFilters();
  const pending = usePending();
  const tab = TABS.find((each) => each === filters["tab"]) ?? "open";
  const waiting = pending.data?.items.filter((request) => request.you?.can_decide).length ?? 0;
  return (
    <Page
      title="Approvals"
      about="What people are asked before it is carried out."
      actions={
        holds(me, "policy.read") ? (
          <Button
            variant="default"
            leftSection={<IconSettings size={16} aria-hidden />}
            renderRoot={(props: Record<string, unknown>) => <Link {...props} to="/settings/approvals" />}
          >
            Settings
          </Button>
        ) : null
      }
    >
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(next) => {
          set({
            ...Object.fromEntries(Object.keys(filters).map((key) => [key, undefined])),
            tab: next === "open" ? undefined : (next ?? undefined),
          });
        }}
      >
        <Tabs.List mb="sm">
          <Tabs.Tab value="open">To decide{waiting > 0 ? ` (${String(waiting)})` : ""}</Tabs.Tab>
          <Tabs.Tab value="mine">My requests</Tabs.Tab>
          <Tabs.Tab value="history">History</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="open">
          <Inbox />
        </Tabs.Panel>
        <Tabs.Panel value="mine">
          <History isMine />
        </Tabs.Panel>
        <Tabs.Panel value="history">
          <History />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
