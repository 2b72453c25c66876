/// The words of one kind: changed, tried with made-up values, taken back.

import { Code, Collapse, Group, Stack, Text, Textarea, TextInput, UnstyledButton } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState, type FormEvent } from "react";

import { $api, api, data, type Schemas } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { asApiError, type ApiError } from "../../../api/problem";
import { refresh } from "../../../api/query";
import { Deed } from "../../../ui/Deed";
import { Failure } from "../../../ui/Failure";
import { Raw } from "../../../ui/Raw";
import { Section } from "../../../ui/Section";
import { Sure } from "../../../ui/Sure";
import { Unread } from "../../../ui/Unread";
import { words } from "../../../ui/text";

type Shown = Schemas["MailTemplate"];
type Part = "subject" | "text" | "html";

export function Template({ kind }: { kind: string }) {
  const template = $api.useQuery("get", "/api/v1/mail/templates/{kind}", { params: { path: { kind } } });
  if (template.data === undefined || template.error !== null)
    return <Unread answer={template} label="Reading the words" />;
  // Begun anew when what is kept changes.
  return <Form key={JSON.stringify(template.data)} shown={template.data} />;
}

function Form({ shown }: { shown: Shown }) {
  const me = useMe();
  const why = whyNot(me, "mail.manage");
  const [values, setValues] = useState<Record<Part, string>>({
    subject: shown.subject,
    text: shown.text,
    html: shown.html,
  });
  const [error, setError] = useState<ApiError | undefined>();
  const [preview, setPreview] = useState<Schemas["MailPreview"] | undefined>();
  const [busy, setBusy] = useState<"save" | "preview" | undefined>();
  const [isReset, reset] = useState(false);
  const path = { kind: shown.kind };
  // A part that was never changed stays the one that comes with Quell, also with a later version.
  const body = Object.fromEntries(
    (["subject", "text", "html"] as const)
      .filter((part) => shown.own.includes(part) || values[part] !== shown[part])
      .map((part) => [part, values[part]]),
  );
  const send = async (how: "save" | "preview"): Promise<void> => {
    setBusy(how);
    setError(undefined);
    try {
      if (how === "preview") {
        setPreview(await data(api.POST("/api/v1/mail/templates/{kind}/preview", { params: { path }, body })));
      } else {
        await api.PUT("/api/v1/mail/templates/{kind}", { params: { path }, body });
        notifications.show({ message: `The words of “${words(shown.kind)}” are kept.`, color: "teal" });
        await refresh("/api/v1/mail/templates");
      }
    } catch (failure) {
      setError(asApiError(failure));
    } finally {
      setBusy(undefined);
    }
  };
  const input = (part: Part) => ({
    value: values[part],
    error: error?.field(part),
    onChange: (event: React.ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) => {
      const { value } = event.currentTarget;
      setValues((before) => ({ ...before, [part]: value }));
    },
  });
  const mark = (part: Part, label: string) => (shown.own.includes(part) ? `${label} (your own)` : label);
  return (
    <Stack gap="md">
      <form
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          void send("save");
        }}
      >
        <Stack gap="sm">
          <TextInput label={mark("subject", "Subject")} maxLength={500} {...input("subject")} />
          <Textarea
            label={mark("text", "Plain text")}
            autosize
            minRows={8}
            maxRows={18}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
            {...input("text")}
          />
          <Textarea
            label={mark("html", "HTML")}
            autosize
            minRows={6}
            maxRows={14}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
            {...input("html")}
          />
          <Names />
          <Failure error={error} />
          <Group gap="xs">
            <Deed type="submit" why={why} loading={busy === "save"}>
              Save
            </Deed>
            <Deed variant="default" why={why} loading={busy === "preview"} onClick={() => void send("preview")}>
              Preview
            </Deed>
            <Deed
              variant="default"
              why={why ?? (shown.own.length === 0 ? "These are the words that come with Quell." : undefined)}
              onClick={() => {
                reset(true);
              }}
            >
              Go back to Quell’s words
            </Deed>
          </Group>
        </Stack>
      </form>
      {preview === undefined ? null : (
        <Section title="Preview" about="With made-up values. Nothing was kept or sent.">
          <Stack gap="sm">
            <Text fw={600}>{preview.subject}</Text>
            <Raw value={preview.text} label="Plain text" />
            <Raw value={preview.html} label="HTML, as it is sent" />
          </Stack>
        </Section>
      )}
      {isReset ? (
        <Sure
          title="Go back to Quell’s words"
          deed="Go back"
          act={async () => {
            await api.DELETE("/api/v1/mail/templates/{kind}", { params: { path } });
            await refresh("/api/v1/mail/templates");
          }}
          close={() => {
            reset(false);
          }}
        >
          <Text size="sm">
            Your own words of <b>{words(shown.kind)}</b> are thrown away ({shown.own.join(", ")}). This cannot be taken
            back.
          </Text>
        </Sure>
      ) : null}
    </Stack>
  );
}

const NAMES =
  "kind severity headline at tenant actor requester action title target_count targets more_targets reason state note until deciders digest task link folded entries".split(
    " ",
  );

/** What a template may say; the server refuses others by their line. */
function Names() {
  const [isOpen, setOpen] = useState(false);
  return (
    <div>
      <UnstyledButton
        aria-expanded={isOpen}
        onClick={() => {
          setOpen(!isOpen);
        }}
      >
        <Text size="sm" c="var(--mantine-color-anchor)">
          What may be said
        </Text>
      </UnstyledButton>
      <Collapse expanded={isOpen}>
        <Text size="sm" mt={4}>
          <Code>{"{{ name }}"}</Code>, <Code>{"{% if %}"}</Code>, <Code>{"{% for %}"}</Code> and the filters join,
          length, upper, lower, default, first. HTML is escaped. Names: {NAMES.join(", ")}.
        </Text>
      </Collapse>
    </div>
  );
}
