/// One notice: what it says, and how it went with each receiver.

import { Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

import { $api, type Schemas } from "../../../api/client";
import { holds, useMe } from "../../../api/me";
import { Copy } from "../../../ui/Copy";
import { Facts } from "../../../ui/Facts";
import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import { SmallTable } from "../../../ui/SmallTable";
import { State } from "../../../ui/State";
import { Time } from "../../../ui/Time";
import { count } from "../../../ui/text";
import { STATES } from "./Notices";

const LOOKS: Record<string, string> = { pending: "queued", sent: "sent", held: "expired", dead: "failed" };

type Props = { notice: Schemas["Notice"]; action: ReactNode; error: unknown };

export function Deliveries({ notice, action, error }: Props) {
  const me = useMe();
  const webhooks = $api.useQuery(
    "get",
    "/api/v1/webhooks",
    { params: { query: { limit: 100 } } },
    { enabled: holds(me, "webhook.read") },
  );
  const webhook = (id: string): string => webhooks.data?.items.find((each) => each.id === id)?.name ?? id;
  return (
    <Stack gap="md">
      <Text>
        <Name length={300}>{notice.headline}</Name>
      </Text>
      <Facts
        rows={[
          ["When", <Time key="at" at={notice.created_at} />],
          [
            "About",
            <span key="about">
              <code>{notice.object_id}</code> <Copy value={notice.object_id} label="Copy the id" />
            </span>,
          ],
        ]}
      />
      <div>{action}</div>
      <Failure error={error} />
      <SmallTable
        label="Deliveries"
        columns={[
          {
            title: "To",
            cell: (delivery) => (
              <div style={{ overflowWrap: "anywhere" }}>
                <Text size="xs" c="dimmed">
                  {delivery.channel}
                </Text>
                <Name length={80}>
                  {delivery.channel === "webhook" ? webhook(delivery.destination) : delivery.destination}
                </Name>
                {delivery.folded > 0 ? (
                  <Text size="xs" c="dimmed">
                    stands for {count(delivery.folded, "more")}
                  </Text>
                ) : null}
                {delivery.last_error ? (
                  <Text size="xs" c="var(--quell-bad)">
                    <Name length={300}>{delivery.last_error}</Name>
                  </Text>
                ) : null}
              </div>
            ),
          },
          {
            title: "State",
            cell: ({ state }) => <State state={LOOKS[state] ?? state} label={STATES[state] ?? state} />,
          },
          { title: "Tries", cell: (delivery) => delivery.attempts },
          {
            title: "When",
            cell: (delivery) =>
              delivery.sent_at ? (
                <Time at={delivery.sent_at} />
              ) : delivery.next_at ? (
                <>
                  next <Time at={delivery.next_at} />
                </>
              ) : (
                "–"
              ),
          },
        ]}
        rows={notice.deliveries}
        of={(delivery) => delivery.id}
        minWidth={420}
      />
      {notice.deliveries.length === 0 ? (
        <Text size="sm" c="dimmed">
          Nobody was to be told: no mail is set up, nobody is concerned, or no webhook wants this kind.
        </Text>
      ) : null}
    </Stack>
  );
}
