/// How something stands: a word and a shape, so that no colour speaks alone.

import { Group, Text } from "@mantine/core";
import {
  IconAlertTriangle,
  IconBan,
  IconCircleCheck,
  IconCircleX,
  IconClockPause,
  IconHelpCircle,
  IconHourglass,
  IconPlayerPlay,
  IconQuestionMark,
  IconShieldLock,
  IconUserQuestion,
  type Icon,
} from "@tabler/icons-react";

import { words } from "./text";

type Tone = "ok" | "warn" | "bad" | "busy" | "quiet";

/** Every state of tasks, commands, approvals and artifacts, in the words of the API. */
const LOOKS: Record<string, [Tone, Icon]> = {
  pending_approval: ["warn", IconUserQuestion],
  pending: ["warn", IconUserQuestion],
  queued: ["quiet", IconClockPause],
  dispatched: ["busy", IconHourglass],
  running: ["busy", IconPlayerPlay],
  verifying: ["busy", IconShieldLock],
  uploading: ["busy", IconHourglass],
  succeeded: ["ok", IconCircleCheck],
  approved: ["ok", IconCircleCheck],
  auto: ["ok", IconCircleCheck],
  stored: ["ok", IconCircleCheck],
  sent: ["ok", IconCircleCheck],
  intact: ["ok", IconCircleCheck],
  active: ["ok", IconCircleCheck],
  partial: ["warn", IconAlertTriangle],
  failed: ["bad", IconCircleX],
  broken: ["bad", IconCircleX],
  rejected: ["bad", IconBan],
  refused: ["bad", IconBan],
  revoked: ["quiet", IconBan],
  disabled: ["quiet", IconBan],
  canceled: ["quiet", IconBan],
  deleted: ["quiet", IconBan],
  expired: ["quiet", IconClockPause],
  indeterminate: ["warn", IconHelpCircle],
};

/** A state of the API, with its reason where there is one. */
export function State({ state, reason, label }: { state: string; reason?: string | null | undefined; label?: string }) {
  const [tone, Shape] = LOOKS[state] ?? (["quiet", IconQuestionMark] as const);
  return (
    <Group
      component="span"
      gap={6}
      wrap="nowrap"
      display="inline-flex"
      c={`var(--quell-${tone})`}
      data-state={state}
      style={{ verticalAlign: "middle" }}
    >
      <Shape size={16} aria-hidden />
      <Text component="span" size="sm" fw={550} c="inherit">
        {label ?? words(state)}
        {reason ? (
          <Text component="span" size="xs" c="dimmed" fw={400}>
            {" "}
            · {words(reason)}
          </Text>
        ) : null}
      </Text>
    </Group>
  );
}
