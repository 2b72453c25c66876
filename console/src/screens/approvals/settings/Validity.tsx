/// How long an approval is good: a row for each choice of actions, the first that names one counts.

import { ActionIcon, Group, Select, Stack, Text, Title, Tooltip } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";

import { Deed } from "../../../ui/Deed";
import { longWords } from "../../../ui/text";
import { ActionsField } from "./ActionsField";
import type { Policy, Validity as Row } from "./policy";
import classes from "./Settings.module.css";

/** The most that the server takes. */
const MOST = 64;

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const PRESETS = [5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 4 * HOUR, 8 * HOUR, DAY, 7 * DAY, 30 * DAY];

type Props = { policy: Policy; change: (policy: Policy) => void; why: string | undefined };

export function Validity({ policy, change, why }: Props) {
  const rows = policy.valid_for;
  const set = (next: Row[]): void => {
    change({ ...policy, valid_for: next });
  };
  return (
    <div className={classes.box} role="region" aria-label="How long an approval is good">
      <Title order={2} size="h3" mb={6}>
        How long an approval is good
      </Title>
      <Text size="sm" c="dimmed" mb="sm" maw={760}>
        Counted from when enough people agreed, or when these settings or a break-glass approved it. What has not begun
        by then does not begin, and what runs is asked to stop. Who approves may give less, never more. The first line
        that names an action counts; where none does, an approval is good as long as the task may wait.
      </Text>
      <Stack gap="sm">
        {rows.map((row, index) => (
          <Line
            key={index}
            row={row}
            number={index + 1}
            why={why}
            change={(next) => {
              set(rows.map((each, at) => (at === index ? next : each)));
            }}
            remove={() => {
              set(rows.filter((_, at) => at !== index));
            }}
          />
        ))}
        <Group>
          <Deed
            size="compact-sm"
            variant="default"
            why={why ?? (rows.length >= MOST ? `There are ${String(MOST)} already.` : undefined)}
            leftSection={<IconPlus size={14} aria-hidden />}
            onClick={() => {
              set([...rows, { actions: rows.length === 0 ? ["*"] : [], seconds: 30 * MINUTE }]);
            }}
          >
            Say how long
          </Deed>
        </Group>
      </Stack>
    </div>
  );
}

type LineProps = {
  row: Row;
  number: number;
  why: string | undefined;
  change: (row: Row) => void;
  remove: () => void;
};

function Line({ row, number, why, change, remove }: LineProps) {
  const label = `Take line ${String(number)} away`;
  // What was set elsewhere stays to be chosen.
  const choices = PRESETS.includes(row.seconds) ? PRESETS : [...PRESETS, row.seconds].sort((a, b) => a - b);
  return (
    <Group gap="sm" align="flex-start" wrap="wrap" role="group" aria-label={`Line ${String(number)}`}>
      <div style={{ flex: "1 1 260px", minWidth: 0 }}>
        <ActionsField
          label="Actions"
          value={row.actions}
          why={why}
          error={row.actions.length === 0 ? "Choose at least one" : undefined}
          change={(actions) => {
            change({ ...row, actions });
          }}
        />
      </div>
      <Select
        label="At most"
        w={160}
        data={choices.map((seconds) => ({ value: String(seconds), label: longWords(seconds) }))}
        value={String(row.seconds)}
        disabled={why !== undefined}
        allowDeselect={false}
        onChange={(next) => {
          if (next !== null) change({ ...row, seconds: Number(next) });
        }}
      />
      {why === undefined ? (
        <Tooltip label={label}>
          <ActionIcon variant="default" aria-label={label} mt={26} onClick={remove}>
            <IconTrash size={16} />
          </ActionIcon>
        </Tooltip>
      ) : null}
    </Group>
  );
}
