/// What is done about hits, and what the flight recorder keeps.

import { Box, Group, NumberInput, SegmentedControl, Select, Stack, Switch, Text } from "@mantine/core";

import { Section } from "../../../ui/Section";
import { longWords } from "../../../ui/text";
import { SEVERITIES } from "../../incidents/words";
import { SOURCES, type Mode, type Settings } from "./settings";

const MIB = 1024 * 1024;
const HOUR = 3600;
const DAY = 24 * HOUR;
const AGES = [HOUR, 6 * HOUR, DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY];

const MODES: Record<Mode, string> = { off: "Off", detect: "Detect", prevent: "Prevent" };

type Props = { settings: Settings; change: (settings: Settings) => void; why: string | undefined };

export function Modes({ settings, change, why }: Props) {
  const { modes } = settings;
  return (
    <Stack gap="md" maw={860}>
      <Section
        title="About hits"
        about="Each is an event, and begins or joins an incident. Prevented means that the program is kept from starting, or is ended."
      >
        <Stack gap="md">
          {SOURCES.map(({ source, title, about, modes: choices }) => (
            <Group key={source} justify="space-between" gap="xs">
              <Box flex="1 1 280px">
                <Text size="sm" fw={600}>
                  {title}
                </Text>
                <Text size="sm" c="dimmed">
                  {about}
                </Text>
              </Box>
              <SegmentedControl
                aria-label={title}
                value={choices.find((mode) => mode === modes[source]) ?? "detect"}
                disabled={why !== undefined}
                data={choices.map((value) => ({ value, label: MODES[value] }))}
                onChange={(next) => {
                  change({ ...settings, modes: { ...modes, [source]: next } });
                }}
              />
            </Group>
          ))}
          <Select
            label="Prevent from this severity on"
            description="Hits of rules below it are only detected."
            data={SEVERITIES.map((value) => ({ value, label: value }))}
            value={settings.prevent_from}
            disabled={why !== undefined}
            allowDeselect={false}
            maw={320}
            onChange={(next) => {
              if (next !== null) change({ ...settings, prevent_from: next });
            }}
          />
        </Stack>
      </Section>
      <Recorder settings={settings} change={change} why={why} />
    </Stack>
  );
}

function Recorder({ settings, change, why }: Props) {
  const age = settings.ring_age_seconds;
  // What was set elsewhere stays to be chosen.
  const ages = AGES.includes(age) ? AGES : [...AGES, age].sort((a, b) => a - b);
  return (
    <Section
      title="Flight recorder"
      about="Each endpoint keeps what happened on it, so that there is a chain to look at when something is detected."
    >
      <Stack gap="md">
        <Switch
          label="Record activity"
          description="Without it nothing is detected by behaviour, and no chain is built."
          checked={settings.record}
          disabled={why !== undefined}
          onChange={(event) => {
            change({ ...settings, record: event.currentTarget.checked });
          }}
        />
        <Group gap="md" align="flex-start">
          <NumberInput
            label="At most on an endpoint’s disk"
            description="4 MiB to 4,096 MiB; the oldest goes first."
            suffix=" MiB"
            min={4}
            max={4096}
            clampBehavior="blur"
            allowDecimal={false}
            value={Math.round(settings.ring_bytes / MIB)}
            disabled={why !== undefined}
            w={240}
            onChange={(next) => {
              if (typeof next === "number" && next > 0) change({ ...settings, ring_bytes: next * MIB });
            }}
          />
          <Select
            label="Forgotten after"
            description="Sooner where the room is used up."
            data={ages.map((seconds) => ({ value: String(seconds), label: longWords(seconds) }))}
            value={String(age)}
            disabled={why !== undefined}
            allowDeselect={false}
            w={240}
            onChange={(next) => {
              if (next !== null) change({ ...settings, ring_age_seconds: Number(next) });
            }}
          />
        </Group>
      </Stack>
    </Section>
  );
}
