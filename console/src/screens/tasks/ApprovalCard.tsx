/// Who agreed to a task, and to exactly what.

import { Anchor, Group, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import type { Schemas } from "../../api/client";
import { Copy } from "../../ui/Copy";
import { Facts } from "../../ui/Facts";
import { Name } from "../../ui/Name";
import { State } from "../../ui/State";
import { count } from "../../ui/text";
import { Time } from "../../ui/Time";
import classes from "./Task.module.css";

export function ApprovalCard({ approval }: { approval: Schemas["Approval"] }) {
  const agreed = approval.decisions.filter((each) => each.decision === "approve" && !each.revoked_at).length;
  const isPending = approval.state === "pending";
  return (
    <section className={classes.card} aria-label="Approval">
      <Group justify="space-between" mb="xs">
        <Title order={2}>Approval</Title>
        <Anchor component={Link} to={`/approvals/${approval.task}`} size="sm">
          {isPending ? "Decide" : "Open"}
        </Anchor>
      </Group>
      <Stack gap={6}>
        <Group gap="xs">
          <State state={approval.state} />
          {approval.quorum > 0 ? (
            <Text size="sm" c="dimmed">
              {agreed} of {count(approval.quorum, "person", "people")}
            </Text>
          ) : null}
        </Group>
        {approval.decisions.map((each) => (
          <Text key={`${each.person} ${each.decided_at}`} size="sm" style={{ overflowWrap: "anywhere" }}>
            <b>
              <Name length={40}>{each.name}</Name>
            </b>{" "}
            {each.decision === "approve" ? "approved" : "rejected"} <Time at={each.decided_at} />
            {each.revoked_at ? ", taken back" : ""}
            {each.signed ? ", signed with their own key" : ""}
            {each.note ? (
              <>
                : <Name length={300}>{each.note}</Name>
              </>
            ) : null}
          </Text>
        ))}
        <Facts
          rows={[
            ["Roles", approval.roles.length > 0 ? approval.roles.join(", ") : null],
            ["Decide until", isPending ? <Time key="until" at={approval.expires_at} /> : null],
            ["Good until", approval.valid_until ? <Time key="valid" at={approval.valid_until} /> : null],
            [
              "Digest",
              <Group key="digest" gap={2} wrap="nowrap">
                <Name mono length={17} fz="xs">
                  {approval.digest}
                </Name>
                <Copy value={approval.digest} label="Copy the digest of the intent" />
              </Group>,
            ],
          ]}
        />
        {approval.trace.length > 0 ? (
          <details>
            <summary>
              <Text component="span" size="sm">
                Why it was asked for
              </Text>
            </summary>
            {approval.trace.map((line, index) => (
              <Text key={index} size="xs" c="dimmed">
                <Name length={300}>{line}</Name>
              </Text>
            ))}
          </details>
        ) : null}
      </Stack>
    </section>
  );
}
