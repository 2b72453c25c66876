/// Closing incidents: which, what they turned out to be, and what closing does.

import { List, Radio, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { asApiError } from "../../api/problem";
import { tell } from "../../ui/tell";
import { Ask } from "../../ui/Ask";
import { Name } from "../../ui/Name";
import { count } from "../../ui/text";
import { changeIncident, changeMany } from "./change";
import type { Incident } from "./types";
import { RESOLUTIONS } from "./words";

/** Incidents named at most. */
const NAMED = 8;

type Props = {
  incidents: Pick<Incident, "id" | "number" | "title">[];
  tag?: string;
  close: () => void;
  done?: () => void;
};

export function Close({ incidents, tag, close, done }: Props) {
  const [resolution, setResolution] = useState("");
  const isOne = incidents.length === 1;
  const act = async (): Promise<void> => {
    const change = { state: "closed", resolution };
    const [first] = incidents;
    if (isOne && first !== undefined) {
      await changeIncident(first.id, change, tag);
    } else {
      const { failed } = await changeMany(
        incidents.map(({ id }) => id),
        change,
      );
      if (failed.length > 0) tell(asApiError(failed[0]?.error));
    }
    done?.();
  };
  return (
    <Ask
      title={isOne ? `Close incident #${String(incidents[0]?.number)}` : `Close ${count(incidents.length, "incident")}`}
      deed={isOne ? "Close it" : `Close ${count(incidents.length, "incident")}`}
      why={resolution === "" ? "Say what it turned out to be." : undefined}
      act={act}
      close={close}
    >
      {(field) => (
        <Stack gap="sm">
          <List size="sm">
            {incidents.slice(0, NAMED).map(({ id, number, title }) => (
              <List.Item key={id}>
                #{number} <Name length={90}>{title}</Name>
              </List.Item>
            ))}
            {incidents.length > NAMED ? <List.Item>and {incidents.length - NAMED} more</List.Item> : null}
          </List>
          <Radio.Group
            label="What it turned out to be"
            required
            value={resolution}
            onChange={setResolution}
            error={field("resolution")}
          >
            <Stack gap={8} mt={6}>
              {RESOLUTIONS.map(({ value, label, about }) => (
                <Radio key={value} value={value} label={label} description={about} />
              ))}
            </Stack>
          </Radio.Group>
          <Text size="sm" c="dimmed">
            Endpoints stop sending more of {isOne ? "its chains" : "their chains"}, and what is detected later begins
            another incident. What was done stays as it is: undo it on its own. A closed incident can be opened again.
          </Text>
        </Stack>
      )}
    </Ask>
  );
}
