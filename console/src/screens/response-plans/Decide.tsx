/// One decision about the plan as a whole: the approver sees every step beside it.

import { Box, Group, Stack, Text, Textarea, Title } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { IconCheck, IconX } from "@tabler/icons-react";
import { useState } from "react";

import { api } from "../../api/client";
import { refresh } from "../../api/query";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { count } from "../../ui/text";
import { canSignHere, signDigest } from "../approvals/signing";
import { decidable, whyNotDecide, type WholePlan } from "./plan";
import classes from "./plan.module.css";

export function Decide({ plan }: { plan: WholePlan }) {
  const [note, setNote] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  if (plan.state !== "pending_approval") return null;
  const why = whyNotDecide(plan);
  const asked = decidable(plan);
  const signing = asked.filter(({ you }) => you?.signing != null);
  const isElsewhere = signing.some(({ you }) => you?.signing != null && !canSignHere(you.signing));
  const trimmed = note.trim();

  const send = async (word: "approve" | "reject"): Promise<void> => {
    setBusy(true);
    setError(null);
    const params = { path: { id: plan.id } };
    try {
      if (word === "reject") {
        await api.POST("/api/v1/response-plans/{id}/reject", { params, body: { digest: plan.digest, note: trimmed } });
        notifications.show({ message: "Rejected: every step ends. Who asked is told why.", color: "gray" });
      } else {
        const signatures = [];
        for (const { task, you } of signing) {
          const intent = plan.steps.find((step) => step.task.id === task)?.task.intent_sha256;
          if (you?.signing != null && intent !== undefined)
            signatures.push({ task, signature: await signDigest(you.signing, intent) });
        }
        const body = { digest: plan.digest, note: trimmed, ...(signatures.length === 0 ? {} : { signatures }) };
        const { data } = await api.POST("/api/v1/response-plans/{id}/approve", { params, body });
        notifications.show({
          message:
            data?.state === "pending_approval"
              ? "Recorded. It waits for others."
              : "Approved: its first step begins now.",
          color: "teal",
        });
      }
      setNote("");
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
      // Also after a refusal: somebody else may have decided meanwhile.
      void refresh("/api/v1/response-plans", "/api/v1/approvals", "/api/v1/tasks", "/api/v1/overview");
    }
  };

  return (
    <Box component="section" className={classes.card} aria-label="Your decision">
      <Title order={2} size="h3" mb={6}>
        Your decision
      </Title>
      {why === undefined ? (
        <Stack gap="sm">
          <Text size="sm">
            One decision about all {count(plan.steps.length, "step")}, as they stand here and in this order.
          </Text>
          <Textarea
            label="Note"
            description="Who asked reads it. To reject, say why."
            autosize
            minRows={2}
            maxRows={6}
            maxLength={2000}
            value={note}
            onChange={(event) => {
              setNote(event.currentTarget.value);
            }}
          />
          {signing.length > 0 && !isElsewhere ? (
            <Text size="sm" c="var(--quell-warn)">
              Endpoints demand your own signature on {count(signing.length, "step")}: your passkey is asked for each
              when you approve.
            </Text>
          ) : null}
          <Failure error={error} />
          <Group grow gap="xs" preventGrowOverflow={false}>
            <Deed
              color="red.9"
              loading={isBusy}
              leftSection={<IconX size={16} aria-hidden />}
              why={trimmed === "" ? "Say why in the note: who asked will read it." : undefined}
              onClick={() => void send("reject")}
            >
              Reject
            </Deed>
            <Deed
              loading={isBusy}
              leftSection={<IconCheck size={16} aria-hidden />}
              why={
                isElsewhere
                  ? "Endpoints demand your own signature, and none of your passkeys can give it here: approve by the command line."
                  : undefined
              }
              onClick={() => void send("approve")}
            >
              Approve all
            </Deed>
          </Group>
        </Stack>
      ) : (
        <Text size="sm">You cannot decide about this: {why}.</Text>
      )}
    </Box>
  );
}
