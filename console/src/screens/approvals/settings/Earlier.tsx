/// The settings as they were before, from the audit trail, with a way back to each.

import { Button, Group, Stack, Text } from "@mantine/core";
import { IconClockHour4 } from "@tabler/icons-react";

import { $api, type Schemas } from "../../../api/client";
import { holds, useMe } from "../../../api/me";
import { Deed } from "../../../ui/Deed";
import { Lines } from "../../../ui/draft/Lines";
import { Empty } from "../../../ui/Empty";
import { Name } from "../../../ui/Name";
import { Time } from "../../../ui/Time";
import { Unread } from "../../../ui/Unread";
import { changes, whole, type Names, type Policy } from "./policy";
import classes from "./Settings.module.css";

type Props = { now: Policy; names: Names; take: (policy: Policy) => void; why: string | undefined };

function isPolicy(value: unknown): value is Policy {
  return typeof value === "object" && value !== null && "rules" in value && "managed" in value && "protected" in value;
}

export function Earlier(props: Props) {
  const me = useMe();
  if (!holds(me, "audit.read"))
    return (
      <Empty icon={IconClockHour4} title="Earlier settings stand in the audit trail">
        To see them you need the permission “audit.read”.
      </Empty>
    );
  return <Read {...props} />;
}

function Read({ now, names, take, why }: Props) {
  const answer = $api.useQuery("get", "/api/v1/audit", {
    params: { query: { verb: "approval_policy.set", limit: 30 } },
  });
  if (answer.data === undefined) return <Unread answer={answer} label="Reading earlier settings" />;
  if (answer.data.items.length === 0)
    return (
      <Empty icon={IconClockHour4} title="The settings were never changed">
        Each change stands here, with who made it and what it changed, and can be put back.
      </Empty>
    );
  return (
    <Stack gap={0}>
      {answer.data.items.map((record) => (
        <Change key={record.id} record={record} now={now} names={names} take={take} why={why} />
      ))}
    </Stack>
  );
}

function Change({ record, now, names, take, why }: Props & { record: Schemas["AuditRecord"] }) {
  const detail = (record.detail ?? {}) as { before?: unknown; after?: unknown };
  const before = isPolicy(detail.before) ? whole(detail.before) : undefined;
  const after = isPolicy(detail.after) ? whole(detail.after) : undefined;
  const lines = before !== undefined && after !== undefined ? changes(before, after, names) : [];
  const isNow = before !== undefined && JSON.stringify(before) === JSON.stringify(now);
  return (
    <div className={classes.box}>
      <Group justify="space-between" gap="xs" mb={4}>
        <Text size="sm">
          <b>
            <Name length={60}>{record.actor_name}</Name>
          </b>
          , <Time at={record.at} />
        </Text>
        {before === undefined ? null : isNow ? (
          <Button size="compact-sm" variant="default" disabled>
            What was before is what holds
          </Button>
        ) : (
          <Deed
            size="compact-sm"
            variant="default"
            why={why}
            onClick={() => {
              take(before);
            }}
          >
            Begin with what was before
          </Deed>
        )}
      </Group>
      {lines.length === 0 ? (
        <Text size="sm" c="dimmed">
          {before === undefined ? "The first settings." : "Nothing that matters changed."}
        </Text>
      ) : (
        <Lines lines={lines} />
      )}
    </div>
  );
}
