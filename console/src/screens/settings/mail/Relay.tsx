/// How mail leaves: the relay, the sender, and who is told besides those whose business it is.

import {
  Checkbox,
  Fieldset,
  Group,
  NumberInput,
  Paper,
  PasswordInput,
  Select,
  SimpleGrid,
  Stack,
  TagsInput,
  Textarea,
  TextInput,
} from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState, type FormEvent } from "react";

import { api, type Schemas } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { asApiError, type ApiError } from "../../../api/problem";
import { refresh } from "../../../api/query";
import { Deed } from "../../../ui/Deed";
import { Failure } from "../../../ui/Failure";
import { KindPick } from "../notices/kinds";
import { TestMail } from "./TestMail";

type Settings = Schemas["MailSettings"];
type Wanted = Schemas["NewMailSettings"];
type Smtp = Schemas["NewSmtp"];

function initial(settings: Settings): Wanted {
  const { smtp } = settings;
  return {
    enabled: smtp === null || smtp === undefined ? true : settings.enabled,
    from: settings.from ?? "",
    from_name: settings.from_name ?? "",
    recipients: settings.recipients,
    kinds: settings.kinds,
    smtp: {
      host: smtp?.host ?? "",
      port: smtp?.port ?? 587,
      tls: smtp?.tls ?? "starttls",
      username: smtp?.username ?? null,
      ca: smtp?.ca ?? null,
    },
  };
}

export function Relay({ settings }: { settings: Settings }) {
  const me = useMe();
  const why = whyNot(me, "mail.manage");
  const [body, setBody] = useState(() => initial(settings));
  const [error, setError] = useState<ApiError | undefined>();
  const [isBusy, setBusy] = useState(false);
  const [isTest, test] = useState(false);
  const change = (part: Partial<Wanted>): void => {
    setBody((before) => ({ ...before, ...part }));
  };
  const smtp = (part: Partial<Smtp>): void => {
    setBody((before) => ({ ...before, smtp: { ...before.smtp, ...part } }));
  };
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await api.PUT("/api/v1/mail", { body });
      notifications.show({ message: "The mail settings are kept. Send a test.", color: "teal" });
      smtp({ password: null });
      await refresh("/api/v1/mail");
    } catch (failure) {
      setError(asApiError(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Paper withBorder p="md" maw={760}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="md">
          <Checkbox
            label="Mail is sent"
            checked={body.enabled ?? true}
            onChange={(event) => {
              change({ enabled: event.currentTarget.checked });
            }}
          />
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            <TextInput
              label="Sender’s address"
              type="email"
              required
              maxLength={254}
              value={body.from}
              error={error?.field("from")}
              onChange={(event) => {
                change({ from: event.currentTarget.value });
              }}
            />
            <TextInput
              label="Sender’s name"
              placeholder="Quell"
              maxLength={100}
              value={body.from_name ?? ""}
              error={error?.field("from_name")}
              onChange={(event) => {
                change({ from_name: event.currentTarget.value === "" ? null : event.currentTarget.value });
              }}
            />
          </SimpleGrid>
          <SmtpFields
            value={body.smtp}
            hasPassword={settings.smtp?.has_password ?? false}
            change={smtp}
            field={(path) => error?.field(path)}
          />
          <TagsInput
            label="Recipients"
            description="Told of everything besides those whose business it is, without a link: a mailbox decides nothing."
            placeholder={(body.recipients ?? []).length === 0 ? "soc@example.org, then Enter" : ""}
            value={body.recipients ?? []}
            error={error?.field("recipients")}
            onChange={(recipients) => {
              change({ recipients });
            }}
          />
          <KindPick
            value={body.kinds ?? []}
            change={(kinds) => {
              change({ kinds });
            }}
            error={error?.field("kinds")}
            description="Of which kinds the recipients are told; all where none is chosen."
          />
          <Failure error={error} />
          <Group gap="xs">
            <Deed type="submit" loading={isBusy} why={why}>
              Save
            </Deed>
            <Deed
              variant="default"
              why={why ?? (settings.smtp ? undefined : "Save the settings first.")}
              onClick={() => {
                test(true);
              }}
            >
              Send a test
            </Deed>
          </Group>
        </Stack>
      </form>
      {isTest ? (
        <TestMail
          close={() => {
            test(false);
          }}
        />
      ) : null}
    </Paper>
  );
}

type SmtpProps = {
  value: Smtp;
  hasPassword: boolean;
  change: (part: Partial<Smtp>) => void;
  field: (path: string) => string | undefined;
};

function SmtpFields({ value, hasPassword, change, field }: SmtpProps) {
  return (
    <Fieldset legend="Relay (SMTP)">
      <Stack gap="sm">
        <SimpleGrid cols={{ base: 1, xs: 3 }}>
          <TextInput
            label="Host"
            required
            maxLength={253}
            value={value.host}
            error={field("smtp.host")}
            onChange={(event) => {
              change({ host: event.currentTarget.value });
            }}
          />
          <NumberInput
            label="Port"
            description="25, 465, 587 or 2525"
            inputWrapperOrder={["label", "input", "description", "error"]}
            min={1}
            max={65535}
            allowDecimal={false}
            value={value.port ?? 587}
            error={field("smtp.port")}
            onChange={(port) => {
              change({ port: port === "" ? null : Number(port) });
            }}
          />
          <Select
            label="Protection"
            allowDeselect={false}
            data={[
              { value: "starttls", label: "STARTTLS, required" },
              { value: "tls", label: "TLS from the first byte" },
              { value: "none", label: "None (this machine only)" },
            ]}
            value={value.tls ?? "starttls"}
            error={field("smtp.tls")}
            onChange={(tls) => {
              change({ tls });
            }}
          />
        </SimpleGrid>
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <TextInput
            label="User name"
            autoComplete="off"
            maxLength={254}
            value={value.username ?? ""}
            error={field("smtp.username")}
            onChange={(event) => {
              change({ username: event.currentTarget.value === "" ? null : event.currentTarget.value });
            }}
          />
          <PasswordInput
            label="Password"
            description={hasPassword ? "Empty: the one that is kept stays, as long as the relay stays." : undefined}
            inputWrapperOrder={["label", "input", "description", "error"]}
            autoComplete="off"
            maxLength={500}
            value={value.password ?? ""}
            error={field("smtp.password")}
            onChange={(event) => {
              change({ password: event.currentTarget.value === "" ? null : event.currentTarget.value });
            }}
          />
        </SimpleGrid>
        <Textarea
          label="Certificates to believe instead of the system’s"
          description="PEM. For a relay with a certificate of your own authority."
          autosize
          minRows={2}
          maxRows={8}
          styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
          value={value.ca ?? ""}
          error={field("smtp.ca")}
          onChange={(event) => {
            change({ ca: event.currentTarget.value === "" ? null : event.currentTarget.value });
          }}
        />
      </Stack>
    </Fieldset>
  );
}
