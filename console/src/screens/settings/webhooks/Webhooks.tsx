/// Webhooks: systems of the tenant's own that are told of notices.

import { Button, Code, Menu, Text } from "@mantine/core";
import { IconChevronDown, IconPlus, IconWebhook } from "@tabler/icons-react";
import { useMemo, useState } from "react";

import { $api } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { PAGED, usePages } from "../../../api/pages";
import { DataTable, type Column } from "../../../ui/DataTable";
import { Deed } from "../../../ui/Deed";
import { Empty } from "../../../ui/Empty";
import { Name } from "../../../ui/Name";
import { Page } from "../../../ui/Page";
import { State } from "../../../ui/State";
import { Time } from "../../../ui/Time";
import { clip, inert, words } from "../../../ui/text";
import { WebhookDeeds, type Asked, type Webhook } from "./WebhookDeeds";

export default function Webhooks() {
  const me = useMe();
  const [asked, ask] = useState<Asked | undefined>();
  const why = whyNot(me, "webhook.manage");
  const pages = usePages<Webhook>(
    $api.useInfiniteQuery("get", "/api/v1/webhooks", { params: { query: { limit: 100 } } }, PAGED),
  );
  const shown = useMemo(() => columns(why, ask), [why]);
  const add = (
    <Deed
      leftSection={<IconPlus size={16} aria-hidden />}
      why={why}
      onClick={() => {
        ask({ deed: "new" });
      }}
    >
      New webhook
    </Deed>
  );
  return (
    <Page
      title="Webhooks"
      about={
        <>
          A SIEM, a chat or a ticket system is told of notices as they are written. Posts are signed as{" "}
          <b>Standard Webhooks</b> describes; deliveries and failures stand under Notices.
        </>
      }
      actions={add}
    >
      <DataTable
        label="Webhooks"
        columns={shown}
        pages={pages}
        id={(webhook) => webhook.id}
        name={(webhook) => clip(inert(webhook.name), 60)}
        empty={
          <Empty icon={IconWebhook} title="No webhook" action={add}>
            With a webhook another system hears of requests, decisions and failed tasks by itself. On the command line:{" "}
            <Code>quell webhooks add siem https://…</Code>
          </Empty>
        }
      />
      {asked === undefined ? null : (
        <WebhookDeeds
          asked={asked}
          close={() => {
            ask(undefined);
          }}
        />
      )}
    </Page>
  );
}

function columns(why: string | undefined, ask: (asked: Asked) => void): Column<Webhook>[] {
  return [
    {
      id: "name",
      title: "Name",
      width: "minmax(120px, 1fr)",
      isNarrow: true,
      cell: (webhook) => <Name length={60}>{webhook.name}</Name>,
    },
    {
      id: "url",
      title: "Posts go to",
      width: "minmax(200px, 3fr)",
      cell: (webhook) => <Name length={120}>{webhook.url}</Name>,
    },
    {
      id: "kinds",
      title: "Kinds",
      width: "minmax(140px, 2fr)",
      cell: (webhook) =>
        webhook.kinds.length === 0 ? (
          <Text span size="sm" c="dimmed">
            all
          </Text>
        ) : (
          <Name length={90}>{webhook.kinds.map(words).join(", ")}</Name>
        ),
    },
    {
      id: "state",
      title: "State",
      width: "120px",
      isNarrow: true,
      cell: (webhook) => <State state={webhook.state} />,
    },
    {
      id: "secret",
      title: "Old secret signs until",
      width: "170px",
      isExtra: true,
      cell: (webhook) => <Time at={webhook.former_secret_until} />,
    },
    { id: "changed", title: "Changed", width: "130px", cell: (webhook) => <Time at={webhook.updated_at} /> },
    {
      id: "do",
      title: "Do",
      width: "96px",
      isNarrow: true,
      cell: (webhook) => (
        <Menu position="bottom-end">
          <Menu.Target>
            <Button
              size="compact-sm"
              variant="default"
              rightSection={<IconChevronDown size={12} aria-hidden />}
              aria-label={`Do something with ${clip(inert(webhook.name), 60)}`}
            >
              Do
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            {why === undefined ? null : <Menu.Label maw={260}>{why}</Menu.Label>}
            {(
              [
                ["test", "Send a test"],
                ["edit", "Change"],
                ["rotate", "New secret"],
                ["remove", "Remove"],
              ] as const
            ).map(([deed, label]) => (
              <Menu.Item
                key={deed}
                disabled={why !== undefined}
                onClick={() => {
                  ask({ deed, webhook });
                }}
              >
                {label}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      ),
    },
  ];
}
