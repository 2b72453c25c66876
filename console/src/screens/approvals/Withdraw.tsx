/// Taking an approval away again: one's own, or everybody's. Both say what then happens.

import { Box, Button, Group, Modal, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";

import { $api } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { refresh } from "../../api/query";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { clip, inert } from "../../ui/text";
import classes from "./Approvals.module.css";
import { blastOf, isUnderWay, ownDecision, targetsOf, type Request } from "./request";

export function Withdraw({ request }: { request: Request }) {
  const me = useMe();
  const [asked, ask] = useState<"revoke" | "expire" | undefined>();
  const own = ownDecision(request, me);
  const mayRevoke = own?.decision === "approve" && ["pending", "approved"].includes(request.state);
  const mayExpire = request.state === "approved";
  if (!isUnderWay(request) || (!mayRevoke && !mayExpire)) return null;
  const why = whyNot(me, "approval.decide");
  return (
    <Box className={classes.box} component="section" aria-label="Take it away">
      <Title order={2} size="h3" mb={8}>
        Take it away
      </Title>
      <Group gap="xs">
        {mayRevoke ? (
          <Deed
            variant="default"
            why={why}
            onClick={() => {
              ask("revoke");
            }}
          >
            Take my approval back…
          </Deed>
        ) : null}
        {mayExpire ? (
          <Deed
            variant="default"
            why={why}
            onClick={() => {
              ask("expire");
            }}
          >
            End the approval…
          </Deed>
        ) : null}
      </Group>
      {asked === undefined ? null : (
        <Ask
          request={request}
          which={asked}
          close={() => {
            ask(undefined);
          }}
        />
      )}
    </Box>
  );
}

function Ask({ request, which, close }: { request: Request; which: "revoke" | "expire"; close: () => void }) {
  const revoke = $api.useMutation("post", "/api/v1/approvals/{id}/revoke");
  const expire = $api.useMutation("post", "/api/v1/approvals/{id}/expire");
  const call = which === "revoke" ? revoke : expire;
  const deed = `${request.title} on ${clip(inert(targetsOf(blastOf(request), 5)), 200)}`;
  const send = (): void => {
    call.mutate(
      { params: { path: { id: request.task } } },
      {
        onSuccess: () => {
          void refresh("/api/v1/approvals", "/api/v1/tasks", "/api/v1/overview");
          close();
        },
      },
    );
  };
  return (
    <Modal opened onClose={close} title={which === "revoke" ? "Take your approval back" : "End the approval"}>
      <Stack gap="sm">
        <Text size="sm" fw={600}>
          <bdi>{deed}</bdi>
        </Text>
        <Text size="sm">
          {which === "revoke"
            ? "Your approval does not count any more. Where too few are left, what has not begun does not begin, and what runs is asked to stop."
            : "Nobody's approval is good any more: what has not begun does not begin, what runs is asked to stop."}{" "}
          It cannot be given again for this request: a new one is needed.
        </Text>
        <Failure error={call.error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Leave it
          </Button>
          <Button color="red.9" loading={call.isPending} onClick={send}>
            {which === "revoke" ? "Take my approval back" : "End the approval"}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
