/// One time in which somebody acted without approval: why, what they did, what the review found.

import { Anchor, Button, Group, Loader, Modal, Stack, Text, Textarea } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { $api } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { refresh } from "../../../api/query";
import { Deed } from "../../../ui/Deed";
import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import { SmallTable } from "../../../ui/SmallTable";
import { State } from "../../../ui/State";
import { inertLines } from "../../../ui/text";
import { Time, duration } from "../../../ui/Time";
import { More } from "../DeedFacts";
import { Remaining } from "../Remaining";
import classes from "./Glass.module.css";
import type { Glass } from "./glass";

export function GlassCard({ glass }: { glass: Glass }) {
  const me = useMe();
  const [isReviewing, review] = useState(false);
  const end = $api.useMutation("post", "/api/v1/break-glass/{id}/end");
  const over = glass.ended_at ?? glass.until_at;
  const lasted = duration(Date.parse(over) - Date.parse(glass.begun_at));
  const whyReview =
    whyNot(me, "break_glass.review") ?? (glass.person === me.id ? "Somebody else than you reviews it." : undefined);
  return (
    <li className={classes.card} data-open={glass.is_open || undefined}>
      <Group justify="space-between" align="flex-start" gap="xs">
        <div>
          <Text fw={600}>
            <Name length={60}>{glass.name}</Name>
          </Text>
          <Text size="sm" c="dimmed" component="div">
            begun <Time at={glass.begun_at} />
            {glass.is_open ? (
              <>
                {" · ends "}
                <Remaining until={glass.until_at} />
              </>
            ) : (
              ` · lasted ${lasted}`
            )}
          </Text>
        </div>
        {glass.is_open ? (
          <Group gap="xs">
            <State state="running" label="Open now" />
            <Deed
              size="compact-sm"
              color="red.9"
              why={whyNot(me, "break_glass.use")}
              loading={end.isPending}
              onClick={() => {
                end.mutate(
                  { params: { path: { id: glass.id } } },
                  { onSettled: () => void refresh("/api/v1/break-glass") },
                );
              }}
            >
              End it now
            </Deed>
          </Group>
        ) : glass.reviewed_at ? (
          <State state="approved" label="Reviewed" />
        ) : (
          <Group gap="xs">
            <State state="pending" label="Waits for review" />
            <Deed
              size="compact-sm"
              variant="default"
              why={whyReview}
              onClick={() => {
                review(true);
              }}
            >
              Review…
            </Deed>
          </Group>
        )}
      </Group>
      <blockquote className={classes.quote} dir="auto">
        {inertLines(glass.reason)}
      </blockquote>
      <Failure error={end.error} />
      {glass.reviewed_at ? (
        <Text size="sm" component="div">
          <b>
            <Name length={60}>{glass.reviewed_by}</Name>
          </b>{" "}
          found <Time at={glass.reviewed_at} />:
          <blockquote className={classes.quote} dir="auto">
            {inertLines(glass.note ?? "")}
          </blockquote>
        </Text>
      ) : null}
      <More title="What was done under it">
        <Done glass={glass} />
      </More>
      {isReviewing ? (
        <Review
          glass={glass}
          close={() => {
            review(false);
          }}
        />
      ) : null}
    </li>
  );
}

/** The tasks of that person in that time that passed over approval. */
function Done({ glass }: { glass: Glass }) {
  const { data, error, isPending } = $api.useQuery("get", "/api/v1/tasks", {
    params: {
      query: { requester: glass.person, since: glass.begun_at, until: glass.ended_at ?? glass.until_at, limit: 500 },
    },
  });
  if (isPending) return <Loader size="xs" aria-label="Reading what was done" />;
  if (data === undefined) return <Failure error={error} />;
  const rows = data.items.filter((task) => task.approval === "break_glass");
  if (rows.length === 0)
    return (
      <Text size="sm" c="dimmed">
        Nothing that passed over approval
        {data.items.length > 0 ? `; ${String(data.items.length)} other tasks of that time needed none or had it` : ""}.
      </Text>
    );
  return (
    <SmallTable
      columns={[
        {
          title: "Action",
          cell: (task) => (
            <Anchor
              size="sm"
              renderRoot={(props: Record<string, unknown>) => (
                <Link {...props} to={"/tasks/$id" as never} params={{ id: task.id } as never} />
              )}
            >
              {task.title}
            </Anchor>
          ),
        },
        { title: "State", cell: (task) => <State state={task.state} /> },
        { title: "Reason", cell: (task) => <Name length={80}>{task.reason}</Name> },
        { title: "When", cell: (task) => <Time at={task.created_at} /> },
      ]}
      rows={rows}
      of={(task) => task.id}
      verticalSpacing={4}
      minWidth={420}
    />
  );
}

function Review({ glass, close }: { glass: Glass; close: () => void }) {
  const [note, setNote] = useState("");
  const review = $api.useMutation("post", "/api/v1/break-glass/{id}/review");
  const send = (): void => {
    review.mutate(
      { params: { path: { id: glass.id } }, body: { note: note.trim() } },
      {
        onSuccess: () => {
          void refresh("/api/v1/break-glass");
          close();
        },
      },
    );
  };
  return (
    <Modal opened onClose={close} title="Review" size="lg">
      <Stack gap="sm">
        <Text size="sm">
          <Name length={60}>{glass.name}</Name> acted without approval from <Time at={glass.begun_at} />, because:
        </Text>
        <blockquote className={classes.quote} dir="auto">
          {inertLines(glass.reason)}
        </blockquote>
        <Done glass={glass} />
        <Textarea
          label="What you found"
          description="It stands with the break-glass and in the audit trail, with your name, for good."
          required
          data-autofocus
          autosize
          minRows={3}
          maxRows={8}
          maxLength={2000}
          value={note}
          onChange={(event) => {
            setNote(event.currentTarget.value);
          }}
        />
        <Failure error={review.error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Deed why={note.trim() === "" ? "Say what you found." : undefined} loading={review.isPending} onClick={send}>
            Record the review
          </Deed>
        </Group>
      </Stack>
    </Modal>
  );
}
