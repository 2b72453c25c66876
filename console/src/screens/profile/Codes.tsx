/// One-time codes of an authenticator app: turned on in two steps, so that nobody is asked for codes they cannot make.

import { Button, Modal, PasswordInput, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState, type FormEvent } from "react";

import { $api, type Schemas } from "../../api/client";
import { useMe } from "../../api/me";
import { refresh } from "../../api/query";
import { Failure } from "../../ui/Failure";
import { State } from "../../ui/State";
import { ConfirmCode, RecoveryCodes } from "./CodeSteps";
import { Section } from "../../ui/Section";

export function Codes() {
  const me = useMe();
  const [asked, ask] = useState<"on" | "off" | undefined>();
  const isOn = me.totp === true;
  const close = (): void => {
    ask(undefined);
    void refresh("/api/v1/me");
  };
  return (
    <Section
      title="One-time codes"
      about="With codes on, the password alone lets nobody in. They also confirm acts that ask for it."
      actions={
        <>
          {isOn ? (
            <Button
              variant="default"
              onClick={() => {
                ask("off");
              }}
            >
              Turn off
            </Button>
          ) : null}
          <Button
            {...(isOn ? { variant: "default" } : {})}
            onClick={() => {
              ask("on");
            }}
          >
            {isOn ? "Use another app" : "Turn on"}
          </Button>
        </>
      }
    >
      {isOn ? <State state="active" label="On" /> : <State state="disabled" label="Off" />}
      {asked === "on" ? <Enrol close={close} /> : null}
      {asked === "off" ? <Remove close={close} /> : null}
    </Section>
  );
}

/** Step by step: password, picture and first code, recovery codes. */
function Enrol({ close }: { close: () => void }) {
  const begin = $api.useMutation("post", "/api/v1/me/totp");
  const [made, setMade] = useState<Schemas["RecoveryCodes"] | undefined>();
  const isLast = made !== undefined;
  return (
    <Modal
      opened
      size="lg"
      onClose={close}
      title={isLast ? "Codes are on: keep these" : "Turn on one-time codes"}
      closeOnClickOutside={!isLast}
      closeOnEscape={!isLast}
      withCloseButton={!isLast}
    >
      {made !== undefined ? (
        <RecoveryCodes codes={made.recovery_codes} close={close} />
      ) : begin.data === undefined ? (
        <OwnPassword
          label="Go on"
          error={begin.error}
          isBusy={begin.isPending}
          send={(password) => {
            begin.mutate({ body: { password } });
          }}
        />
      ) : (
        <ConfirmCode enrolment={begin.data} done={setMade} />
      )}
    </Modal>
  );
}

function Remove({ close }: { close: () => void }) {
  const remove = $api.useMutation("post", "/api/v1/me/totp/remove");
  return (
    <Modal opened onClose={close} title="Turn off one-time codes">
      <Text size="sm" mb="sm">
        From then on your password alone lets in. The secret in your app and the recovery codes are good no more; to
        turn codes on again begins anew.
      </Text>
      <OwnPassword
        label="Turn off"
        isDangerous
        error={remove.error}
        isBusy={remove.isPending}
        send={(password) => {
          remove.mutate(
            { body: { password } },
            {
              onSuccess: () => {
                notifications.show({ message: "One-time codes are off.", color: "teal" });
                close();
              },
            },
          );
        }}
      />
    </Modal>
  );
}

type Own = { label: string; error: unknown; isBusy: boolean; isDangerous?: boolean; send: (password: string) => void };

function OwnPassword({ label, error, isBusy, isDangerous = false, send }: Own) {
  const [password, setPassword] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    send(password);
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <PasswordInput
          data-autofocus
          required
          label="Your password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => {
            setPassword(event.currentTarget.value);
          }}
        />
        <Failure error={error} />
        <Button type="submit" loading={isBusy} {...(isDangerous ? { color: "red.9" } : {})}>
          {label}
        </Button>
      </Stack>
    </form>
  );
}
