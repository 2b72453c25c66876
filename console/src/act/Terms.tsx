/// Why, for how long, and how long it may wait.

import { Group, NumberInput, Select, Stack, Textarea } from "@mantine/core";
import { useState } from "react";

import { duration } from "../ui/Time";
import type { Draft } from "./draft";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

type PeriodProps = {
  label: string;
  description: string;
  none: string;
  presets: number[];
  value: number | null;
  change: (seconds: number | null) => void;
  error?: string | undefined;
  disabled?: boolean;
};

/** After how long something is taken back by itself. */
export const PRESETS = [HOUR, 4 * HOUR, 8 * HOUR, DAY, 3 * DAY, 7 * DAY];

/** A period: one of a few, or another in minutes. */
export function Period({ label, description, none, presets, value, change, error, disabled = false }: PeriodProps) {
  const [isOther, setOther] = useState(value !== null && !presets.includes(value));
  return (
    <Group gap="xs" align="flex-start" style={{ flex: "1 1 220px" }}>
      <Select
        style={{ flex: "1 1 160px" }}
        label={label}
        description={description}
        allowDeselect={false}
        disabled={disabled}
        value={isOther ? "other" : String(value ?? "")}
        data={[
          { value: "", label: none },
          ...presets.map((seconds) => ({ value: String(seconds), label: duration(seconds * 1000) })),
          { value: "other", label: "Another period…" },
        ]}
        onChange={(next) => {
          setOther(next === "other");
          if (next !== "other") change(next === null || next === "" ? null : Number(next));
        }}
        {...(error === undefined ? {} : { error })}
      />
      {isOther ? (
        <NumberInput
          w={110}
          label="Minutes"
          description="1 to 43,200"
          min={1}
          max={43_200}
          allowDecimal={false}
          hideControls
          value={value === null ? "" : Math.round(value / MINUTE)}
          onChange={(minutes) => {
            change(typeof minutes === "number" ? minutes * MINUTE : null);
          }}
        />
      ) : null}
    </Group>
  );
}

type Props = {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
  /** Whether the action has a way back, which a timer can take. */
  hasWayBack: boolean;
  problem: (field: string) => string | undefined;
};

export function Terms({ draft, change, hasWayBack, problem }: Props) {
  const reason = problem("reason");
  return (
    <Stack gap="sm">
      <Textarea
        label="Reason"
        description="People read it, and it stays in the audit trail."
        required
        autosize
        minRows={2}
        maxRows={8}
        maxLength={2000}
        data-path="reason"
        value={draft.reason}
        onChange={(event) => {
          change({ reason: event.currentTarget.value });
        }}
        {...(reason === undefined ? {} : { error: reason })}
      />
      <Group gap="sm" align="flex-start">
        {hasWayBack ? (
          <Period
            label="Take it back"
            description="By itself, this long after its effect."
            none="Not by itself"
            presets={PRESETS}
            value={draft.revertAfter}
            change={(revertAfter) => {
              change({ revertAfter });
            }}
            error={problem("revert_after_seconds")}
          />
        ) : null}
        <Period
          label="Wait for it"
          description="For endpoints that are offline, and for approval."
          none="1 d"
          presets={[15 * MINUTE, HOUR, 4 * HOUR, 3 * DAY, 7 * DAY, 30 * DAY]}
          value={draft.expiresIn}
          change={(expiresIn) => {
            change({ expiresIn });
          }}
          error={problem("expires_in_seconds")}
        />
      </Group>
    </Stack>
  );
}
