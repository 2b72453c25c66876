/// The decision: with a note, for how long, signed where endpoints demand it.

import { Box, Button, Code, Drawer, Group, Select, Stack, Text, Textarea, Title } from "@mantine/core";
import { IconCheck, IconKey, IconX } from "@tabler/icons-react";
import { useState } from "react";

import { useMe } from "../../api/me";
import { Copy } from "../../ui/Copy";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { clip, inert, longWords } from "../../ui/text";
import classes from "./Approvals.module.css";
import { blastOf, hinders, ownDecision, planOf, targetsOf, type Request } from "./request";
import { canSignHere } from "./signing";
import { useDecision } from "./useDecision";

const VALID = [
  { value: "900", label: "15 minutes" },
  { value: "3600", label: "1 hour" },
  { value: "14400", label: "4 hours" },
  { value: "28800", label: "8 hours" },
  { value: "86400", label: "1 day" },
];

/** What can be chosen: less than what the settings let it be good for. */
function choices(most: number | null | undefined): { value: string; label: string }[] {
  const all = typeof most === "number" ? `${longWords(most)}, as the settings say` : "as long as the task may wait";
  return [{ value: "", label: all }, ...VALID.filter((one) => typeof most !== "number" || Number(one.value) < most)];
}

/** The panel beside the request. */
export function Decide({ request }: { request: Request }) {
  const me = useMe();
  const why = hinders(request);
  const own = ownDecision(request, me);
  if (request.state !== "pending" || planOf(request) !== undefined) return null;
  return (
    <Box className={classes.box} component="section" aria-label="Your decision">
      <Title order={2} size="h3" mb={8}>
        Your decision
      </Title>
      {why === undefined ? (
        <Form request={request} done={() => undefined} />
      ) : (
        <Text size="sm">
          {own?.decision === "approve"
            ? "You approved it. It waits for others."
            : `You cannot decide about this: ${why}.`}
        </Text>
      )}
    </Box>
  );
}

/** On a phone: two large buttons at the lower edge, and the form in a drawer. */
export function DecideBar({
  request,
  asked,
  ask,
}: {
  request: Request;
  asked: "approve" | "reject" | undefined;
  ask: (word: "approve" | "reject" | undefined) => void;
}) {
  const close = (): void => {
    ask(undefined);
  };
  return (
    <>
      <Box className={classes.bar} role="region" aria-label="Your decision">
        <Button
          size="md"
          color="red.9"
          leftSection={<IconX size={18} aria-hidden />}
          onClick={() => {
            ask("reject");
          }}
        >
          Reject…
        </Button>
        <Button
          size="md"
          leftSection={<IconCheck size={18} aria-hidden />}
          onClick={() => {
            ask("approve");
          }}
        >
          Approve…
        </Button>
      </Box>
      <Drawer
        opened={asked !== undefined}
        onClose={close}
        position="bottom"
        styles={{ content: { height: "auto", maxHeight: "92dvh" } }}
        title={asked === "reject" ? "Reject" : "Approve"}
      >
        {asked === undefined ? null : <Form request={request} done={close} only={asked} />}
      </Drawer>
    </>
  );
}

function Form({ request, done, only }: { request: Request; done: () => void; only?: "approve" | "reject" }) {
  const [note, setNote] = useState("");
  const [valid, setValid] = useState("");
  const { send, error, isBusy } = useDecision(request, done);
  const deed = `${request.title} on ${clip(inert(targetsOf(blastOf(request))), 60)}`;
  const signing = request.you?.signing ?? undefined;
  const mustSignElsewhere = signing !== undefined && !canSignHere(signing);
  const trimmed = note.trim();
  const size = only === undefined ? "sm" : "md";
  const mayApprove = only !== "reject";
  return (
    <Stack gap="sm">
      <Text size="sm">
        <bdi>{deed}</bdi>
      </Text>
      <Textarea
        label={only === "reject" ? "Why not" : "Note"}
        description={
          only === "approve"
            ? "Who asked reads it."
            : only === "reject"
              ? "Who asked reads it."
              : "Who asked reads it. To reject, say why."
        }
        required={only === "reject"}
        autosize
        minRows={2}
        maxRows={6}
        maxLength={2000}
        value={note}
        onChange={(event) => {
          setNote(event.currentTarget.value);
        }}
      />
      {mayApprove ? (
        <Select
          label="The approval is good for"
          description="What has not ended by then is asked to stop. The shortest wish counts."
          data={choices(request.valid_for_seconds)}
          allowDeselect={false}
          value={valid}
          onChange={(next) => {
            setValid(next ?? "");
          }}
        />
      ) : null}
      {mayApprove && signing !== undefined ? (
        mustSignElsewhere ? (
          <ByCommand request={request} />
        ) : (
          <Text size="sm" c="var(--quell-warn)">
            Endpoints demand your own signature: your passkey signs the digest {request.digest.slice(0, 12)}… when you
            approve.
          </Text>
        )
      ) : null}
      <Failure error={error} />
      <Group grow gap="xs" preventGrowOverflow={false}>
        {only === "approve" ? null : (
          <Deed
            size={size}
            color="red.9"
            loading={isBusy}
            leftSection={<IconX size={16} aria-hidden />}
            why={trimmed === "" ? "Say why in the note: who asked will read it." : undefined}
            onClick={() => void send({ word: "reject", note: trimmed, validFor: undefined })}
          >
            Reject
          </Deed>
        )}
        {mayApprove ? (
          <Deed
            size={size}
            loading={isBusy}
            leftSection={signing ? <IconKey size={16} aria-hidden /> : <IconCheck size={16} aria-hidden />}
            why={
              mustSignElsewhere
                ? "Endpoints demand your own signature, and none of your passkeys can give it here: use the command."
                : undefined
            }
            onClick={() =>
              void send({ word: "approve", note: trimmed, validFor: valid === "" ? undefined : Number(valid) })
            }
          >
            {signing && !mustSignElsewhere ? "Sign and approve" : "Approve"}
          </Deed>
        ) : null}
      </Group>
    </Stack>
  );
}

function ByCommand({ request }: { request: Request }) {
  const command = `quell trust sign ${request.task} --key YOUR.key --approve`;
  return (
    <Box>
      <Text size="sm" c="var(--quell-warn)">
        Endpoints demand your own signature. Give it where your key is; it shows the deed and approves in one step:
      </Text>
      <Group gap={4} wrap="nowrap" mt={4}>
        <Code style={{ overflowWrap: "anywhere" }}>{command}</Code>
        <Copy value={command} label="Copy the command" />
      </Group>
    </Box>
  );
}
