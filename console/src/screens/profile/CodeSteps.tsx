/// The steps of turning codes on: the picture with a first code, then the recovery codes.

import { Button, Code, Group, Stack, Text, TextInput } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useState, type FormEvent } from "react";

import { $api, type Schemas } from "../../api/client";
import { Copy } from "../../ui/Copy";
import { Failure } from "../../ui/Failure";
import { Once, OnceNote } from "../../ui/Once";
import { Qr } from "./Qr";

type Confirm = { enrolment: Schemas["TotpEnrolment"]; done: (codes: Schemas["RecoveryCodes"]) => void };

export function ConfirmCode({ enrolment, done }: Confirm) {
  const [code, setCode] = useState("");
  const confirm = $api.useMutation("post", "/api/v1/me/totp/confirm");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const body = { enrolment: enrolment.enrolment, code: code.replaceAll(/\s/g, "") };
    confirm.mutate({ body }, { onSuccess: done });
  };
  return (
    <form onSubmit={submit}>
      <Group align="flex-start" gap="lg" wrap="wrap">
        <Qr text={enrolment.uri} label="QR code of the secret, for an authenticator app" />
        <Stack gap="sm" flex="1 1 240px">
          <Text size="sm">
            Scan the picture with an authenticator app. It was drawn in this browser and sent nowhere.
          </Text>
          <div>
            <Text size="sm" c="dimmed">
              Or type the secret:
            </Text>
            <Group gap={4} wrap="nowrap">
              <Code style={{ overflowWrap: "anywhere" }}>{enrolment.secret}</Code>
              <Copy value={enrolment.secret} label="Copy the secret" />
            </Group>
          </div>
          <TextInput
            data-autofocus
            required
            label="A code that the app shows now"
            inputMode="numeric"
            autoComplete="one-time-code"
            maxLength={12}
            value={code}
            onChange={(event) => {
              setCode(event.currentTarget.value);
            }}
          />
          <Failure error={confirm.error} />
          <Button type="submit" loading={confirm.isPending}>
            Turn on
          </Button>
        </Stack>
      </Group>
    </form>
  );
}

export function RecoveryCodes({ codes, close }: { codes: string[]; close: () => void }) {
  const text = codes.join("\n");
  return (
    <Stack gap="sm">
      <Text size="sm">Each of these signs you in once when the app is lost. Keep them where the phone is not.</Text>
      <OnceNote />
      <Once label="Recovery codes" value={text} />
      <Group justify="space-between">
        <Button
          variant="default"
          component="a"
          href={`data:text/plain;charset=utf-8,${encodeURIComponent(`Recovery codes for Quell\n\n${text}\n`)}`}
          download="quell-recovery-codes.txt"
          leftSection={<IconDownload size={16} aria-hidden />}
        >
          Download
        </Button>
        <Button onClick={close}>I have kept them</Button>
      </Group>
    </Stack>
  );
}
