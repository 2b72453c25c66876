/// A test mail: whether the relay takes it.

import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";

import { $api } from "../../../api/client";
import { useMe } from "../../../api/me";
import { asApiError } from "../../../api/problem";
import { Failure } from "../../../ui/Failure";
import { Tried } from "../webhooks/WebhookDeeds";

export function TestMail({ close }: { close: () => void }) {
  const me = useMe();
  const [to, setTo] = useState(me.email ?? "");
  const test = $api.useMutation("post", "/api/v1/mail/test");
  const submit = (event: FormEvent): void => {
    // A dialog is drawn elsewhere, but its events still reach the form that it was opened from.
    event.stopPropagation();
    event.preventDefault();
    test.mutate({ body: { to: to.trim() === "" ? null : to.trim() } });
  };
  return (
    <Modal opened onClose={close} title="Send a test">
      <form onSubmit={submit}>
        <Stack gap="sm">
          <TextInput
            data-autofocus
            type="email"
            label="To"
            value={to}
            error={test.error ? asApiError(test.error).field("to") : undefined}
            onChange={(event) => {
              setTo(event.currentTarget.value);
            }}
          />
          <div aria-live="polite">
            <Failure error={test.error} />
            {test.data === undefined ? null : <Tried tried={test.data} to={to} />}
          </div>
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Close
            </Button>
            <Button type="submit" loading={test.isPending}>
              Send
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
