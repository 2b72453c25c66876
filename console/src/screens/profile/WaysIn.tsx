/// How you come in: the password, the codes, the passkeys.

import { Button, Group, PasswordInput, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState, type FormEvent } from "react";

import { $api } from "../../api/client";
import { asApiError } from "../../api/problem";
import { refresh } from "../../api/query";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { NewPassword, NOTHING_CHOSEN, unready } from "../sign-in/NewPassword";
import { Codes } from "./Codes";
import { Passkeys } from "./Passkeys";
import { Section } from "../../ui/Section";

export function WaysIn() {
  return (
    <Stack gap="md">
      <Passkeys />
      <Codes />
      <Password />
    </Stack>
  );
}

function Password() {
  const [isOpen, setOpen] = useState(false);
  return (
    <Section
      title="Password"
      about="A new one ends all your other sessions."
      actions={
        isOpen ? null : (
          <Button
            variant="default"
            onClick={() => {
              setOpen(true);
            }}
          >
            Change the password
          </Button>
        )
      }
    >
      {isOpen ? (
        <PasswordForm
          close={() => {
            setOpen(false);
          }}
        />
      ) : null}
    </Section>
  );
}

function PasswordForm({ close }: { close: () => void }) {
  const [old, setOld] = useState("");
  const [chosen, setChosen] = useState(NOTHING_CHOSEN);
  const change = $api.useMutation("post", "/api/v1/me/password");
  const why = unready(chosen);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (why !== undefined) return;
    change.mutate(
      { body: { old, new: chosen.text } },
      {
        onSuccess: () => {
          notifications.show({ message: "The password is changed. Your other sessions ended.", color: "teal" });
          void refresh("/api/v1/sessions");
          close();
        },
      },
    );
  };
  const said = change.error === null ? undefined : asApiError(change.error);
  return (
    <form onSubmit={submit}>
      <Stack gap="sm" maw={460}>
        <PasswordInput
          label="Present password"
          autoComplete="current-password"
          autoFocus
          required
          value={old}
          error={said?.field("old")}
          onChange={(event) => {
            setOld(event.currentTarget.value);
          }}
        />
        <NewPassword label="New password" value={chosen} change={setChosen} error={change.error} field="new" />
        <Failure error={said?.field("new") === undefined ? change.error : null} />
        <Group gap="xs">
          <Deed type="submit" loading={change.isPending} why={why}>
            Change
          </Deed>
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
        </Group>
        <Text size="xs" c="dimmed">
          Came you in by single sign-on alone, you have no password here: it is your organisation’s.
        </Text>
      </Stack>
    </form>
  );
}
