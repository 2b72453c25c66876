/// What a person may say better than the rules: the title and the severity of an incident.

import { Radio, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";

import { Ask } from "../../../ui/Ask";
import { changeIncident } from "../change";
import { Severity } from "../Severity";
import type { WholeIncident } from "../types";
import { SEVERITIES } from "../words";

type Props = { incident: WholeIncident; tag: string; close: () => void };

export function ChangeTitle({ incident, tag, close }: Props) {
  const [title, setTitle] = useState(incident.title);
  return (
    <Ask
      title={`Title of incident #${String(incident.number)}`}
      deed="Change"
      why={title.trim() === "" ? "A title says what happened." : undefined}
      act={() => changeIncident(incident.id, { title: title.trim() }, tag)}
      close={close}
    >
      {(field) => (
        <TextInput
          data-autofocus
          label="Title"
          description="From then on nothing that is detected changes it."
          maxLength={200}
          value={title}
          onChange={(event) => {
            setTitle(event.currentTarget.value);
          }}
          error={field("title")}
        />
      )}
    </Ask>
  );
}

export function ChangeSeverity({ incident, tag, close }: Props) {
  const [severity, setSeverity] = useState(incident.severity);
  return (
    <Ask
      title={`Severity of incident #${String(incident.number)}`}
      deed="Change"
      act={() => changeIncident(incident.id, { severity }, tag)}
      close={close}
    >
      {(field) => (
        <>
          <Radio.Group label="Severity" value={severity} onChange={setSeverity} error={field("severity")}>
            <Stack gap={8} mt={6}>
              {SEVERITIES.map((each) => (
                <Radio key={each} value={each} label={<Severity severity={each} />} />
              ))}
            </Stack>
          </Radio.Group>
          <Text size="sm" c="dimmed">
            From then on nothing that is detected changes it.
          </Text>
        </>
      )}
    </Ask>
  );
}
