/// Acting without approval when nobody can be asked: beginning, ending, and the reviews of it.

import { Alert, Button, Group, Loader, Modal, NumberInput, Stack, Text, Textarea, Title } from "@mantine/core";
import { IconUrgent, IconFlame } from "@tabler/icons-react";
import { useState } from "react";

import { $api } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { asApiError } from "../../../api/problem";
import { refresh } from "../../../api/query";
import { Deed } from "../../../ui/Deed";
import { Empty } from "../../../ui/Empty";
import { Failure } from "../../../ui/Failure";
import { Page } from "../../../ui/Page";
import { GlassCard } from "./GlassCard";
import classes from "./Glass.module.css";
import { useGlass } from "./glass";

export default function BreakGlass() {
  const me = useMe();
  const [isAsking, ask] = useState(false);
  const { data, error, isPending, refetch } = useGlass();
  const own = data?.items.find((glass) => glass.is_open && glass.person === me.id);
  const why =
    whyNot(me, "break_glass.use") ??
    (own === undefined ? undefined : "It is open already. End it first to begin another with a reason of its own.");
  const toReview = data?.items.filter((glass) => !glass.is_open && !glass.reviewed_at).length ?? 0;
  return (
    <Page
      title="Break-glass"
      about="For the night in which nobody can be asked: act without approval, loudly, and be reviewed."
      actions={
        <Deed
          color="red.9"
          leftSection={<IconFlame size={16} aria-hidden />}
          why={why}
          onClick={() => {
            ask(true);
          }}
        >
          Break the glass…
        </Deed>
      }
    >
      <Text size="sm" mb="md" maw={760}>
        While it is open, what you ask for passes over the people whom the approval settings would ask. It does not pass
        over what a rule lets nobody do, what your roles do not allow, nor over what endpoints themselves demand by a
        root of trust. Everybody who decides here is told at once, each act is marked in the audit trail, and somebody
        else reviews it. On a terminal: <code>quell break-glass begin --reason … --minutes 30</code>
      </Text>
      <Failure error={error} retry={() => void refetch()} mb="sm" />
      {isPending ? <Loader aria-label="Reading" /> : null}
      {toReview > 0 ? (
        <Alert color="orange" variant="outline" mb="md" role="status">
          <Text size="sm">{toReview === 1 ? "One waits" : `${String(toReview)} wait`} for a review.</Text>
        </Alert>
      ) : null}
      {data?.items.length === 0 ? (
        <Empty icon={IconUrgent} title="The glass was never broken">
          Good. When somebody does, it stands here with its reason, what was done under it, and what the review found.
        </Empty>
      ) : (
        <ul className={classes.list} aria-label="Times in which the glass was broken">
          {(data?.items ?? []).map((glass) => (
            <GlassCard key={glass.id} glass={glass} />
          ))}
        </ul>
      )}
      {isAsking ? (
        <Begin
          close={() => {
            ask(false);
          }}
        />
      ) : null}
    </Page>
  );
}

const SHORTEST = 10;

function Begin({ close }: { close: () => void }) {
  const [reason, setReason] = useState("");
  const [minutes, setMinutes] = useState<number | string>(30);
  const begin = $api.useMutation("post", "/api/v1/break-glass");
  const wrong = begin.error === null ? undefined : asApiError(begin.error);
  const short = reason.trim().length < SHORTEST;
  const send = (): void => {
    begin.mutate(
      { body: { reason: reason.trim(), minutes: Number(minutes) || 30 } },
      {
        onSuccess: () => {
          void refresh("/api/v1/break-glass");
          close();
        },
      },
    );
  };
  return (
    <Modal opened onClose={close} title="Break the glass" size="lg">
      <Stack gap="sm">
        <div className={classes.loud}>
          <Title order={3} c="var(--quell-bad)" mb={4}>
            This is loud
          </Title>
          <Text size="sm">
            Everybody who decides in this tenant is told now, with your name and your reason. Each act is marked.
            Somebody else says afterwards what they found. You confirm it with your password, a code or a passkey.
          </Text>
        </div>
        <Textarea
          label="Why can nobody be asked?"
          description={`At least ${String(SHORTEST)} characters; everybody who decides here reads it.`}
          required
          data-autofocus
          autosize
          minRows={3}
          maxRows={8}
          maxLength={2000}
          value={reason}
          error={wrong?.field("reason")}
          onChange={(event) => {
            setReason(event.currentTarget.value);
          }}
        />
        <NumberInput
          label="For how many minutes"
          description="1 to 240. Take the shortest that will do: another can be begun. What an endpoint has not come for when it ends is not carried out any more."
          min={1}
          max={240}
          value={minutes}
          onChange={setMinutes}
          error={wrong?.field("minutes")}
          styles={{ wrapper: { maxWidth: 160 } }}
        />
        <Failure error={begin.error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Deed
            color="red.9"
            loading={begin.isPending}
            why={short ? "Say why nobody can be asked." : undefined}
            onClick={send}
            leftSection={<IconFlame size={16} aria-hidden />}
          >
            Break the glass for {String(minutes || 30)} minutes
          </Deed>
        </Group>
      </Stack>
    </Modal>
  );
}
