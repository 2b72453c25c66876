/// The second step of signing in: a code of the app, or a recovery code in its place.

import { Anchor, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";

import { Failure } from "../../ui/Failure";

type Props = {
  error: unknown;
  isBusy: boolean;
  send: (second: { totp?: string; recovery?: string }) => void;
  back: () => void;
};

export function CodeStep({ error, isBusy, send, back }: Props) {
  const [how, setHow] = useState<"totp" | "recovery">("totp");
  const [text, setText] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const code = text.replaceAll(/\s/g, "");
    if (code !== "") send(how === "totp" ? { totp: code } : { recovery: code });
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm" mt="md">
        <Text size="sm">The password is right. The account asks for a second proof.</Text>
        <TextInput
          key={how}
          autoFocus
          required
          label={how === "totp" ? "Code of your authenticator app" : "Recovery code"}
          description={
            how === "totp" ? "Six digits." : "One of those shown when you turned codes on. Each is good once."
          }
          inputMode={how === "totp" ? "numeric" : "text"}
          autoComplete={how === "totp" ? "one-time-code" : "off"}
          maxLength={40}
          value={text}
          onChange={(event) => {
            setText(event.currentTarget.value);
          }}
        />
        <Failure error={error} />
        <Button type="submit" fullWidth loading={isBusy}>
          Sign in
        </Button>
        <Group justify="space-between">
          <Anchor component="button" type="button" size="sm" onClick={back}>
            Back
          </Anchor>
          <Anchor
            component="button"
            type="button"
            size="sm"
            onClick={() => {
              setHow(how === "totp" ? "recovery" : "totp");
              setText("");
            }}
          >
            {how === "totp" ? "Use a recovery code" : "Use the app"}
          </Anchor>
        </Group>
      </Stack>
    </form>
  );
}
