/// How bad something is, and what was done about it at once: a word and a shape, so that no colour speaks alone.

import { Group, Text } from "@mantine/core";
import {
  IconAlertOctagonFilled,
  IconAlertTriangleFilled,
  IconCircle,
  IconCircleCheck,
  IconDiamond,
  IconEye,
  IconEyeCheck,
  IconFile,
  IconFileExport,
  IconFilePencil,
  IconFocusCentered,
  IconInfoSquare,
  IconKey,
  IconPlayerPlay,
  IconPlugConnected,
  IconQuestionMark,
  IconShieldCheck,
  IconShieldX,
  IconTransferIn,
  IconWorldQuestion,
  type Icon,
} from "@tabler/icons-react";

import { words } from "../../ui/text";
import { stateWords } from "./words";

export type Tone = "ok" | "warn" | "bad" | "busy" | "quiet";

const LOOKS: Readonly<Record<string, readonly [Tone, Icon]>> = {
  critical: ["bad", IconAlertOctagonFilled],
  high: ["bad", IconAlertTriangleFilled],
  medium: ["warn", IconDiamond],
  low: ["busy", IconInfoSquare],
  informational: ["quiet", IconCircle],
};

export function severityLook(severity: string): readonly [Tone, Icon] {
  return LOOKS[severity] ?? (["quiet", IconQuestionMark] as const);
}

/** A severity; `isShort` leaves the word to who hovers or listens. */
export function Severity({ severity, isShort = false }: { severity: string; isShort?: boolean }) {
  const [tone, Shape] = severityLook(severity);
  return (
    <Mark tone={tone} icon={Shape} label={words(severity)} isShort={isShort} about={`Severity: ${words(severity)}`} />
  );
}

function Mark({
  tone,
  icon: Shape,
  label,
  isShort = false,
  about,
}: {
  tone: Tone;
  icon: Icon;
  label: string;
  isShort?: boolean;
  about?: string;
}) {
  return (
    <Group
      component="span"
      gap={6}
      wrap="nowrap"
      display="inline-flex"
      c={`var(--quell-${tone})`}
      style={{ verticalAlign: "middle" }}
      {...(isShort && about !== undefined ? { "data-hint": about } : {})}
    >
      <Shape
        size={16}
        style={{ flex: "none" }}
        {...(isShort ? { role: "img", "aria-label": about } : { "aria-hidden": true })}
      />
      {isShort ? null : (
        <Text component="span" size="sm" fw={550} c="inherit">
          {label}
        </Text>
      )}
    </Group>
  );
}

const STATES: Readonly<Record<string, readonly [Tone, Icon]>> = {
  open: ["warn", IconEye],
  in_progress: ["busy", IconPlayerPlay],
  closed: ["quiet", IconCircleCheck],
};

/** How an incident stands. */
export function IncidentState({ incident }: { incident: { state: string; resolution?: string | null | undefined } }) {
  const [tone, Shape] = STATES[incident.state] ?? (["quiet", IconQuestionMark] as const);
  return <Mark tone={tone} icon={Shape} label={stateWords(incident)} />;
}

const VERDICTS: Readonly<Record<string, readonly [Tone, Icon]>> = {
  detected: ["warn", IconEyeCheck],
  prevented: ["ok", IconShieldCheck],
  not_prevented: ["bad", IconShieldX],
};

/** What was done about a detection at once; nothing where its source does not say. */
export function Verdict({ verdict }: { verdict: string | null | undefined }) {
  if (verdict === null || verdict === undefined) return "–";
  const [tone, Shape] = VERDICTS[verdict] ?? (["quiet", IconQuestionMark] as const);
  return <Mark tone={tone} icon={Shape} label={words(verdict)} />;
}

const KINDS: Readonly<Record<string, Icon>> = {
  start: IconPlayerPlay,
  file_create: IconFile,
  file_write: IconFilePencil,
  file_rename: IconFileExport,
  connect: IconPlugConnected,
  listen: IconTransferIn,
  dns: IconWorldQuestion,
  login: IconKey,
};

export function kindIcon(kind: string): Icon {
  return KINDS[kind] ?? IconQuestionMark;
}

/** The mark of an event on which something was detected. */
export const DetectionShape = IconFocusCentered;

export function DetectionIcon({
  size = 16,
  about = "Detection: a key activity event",
}: {
  size?: number;
  about?: string;
}) {
  return (
    <DetectionShape
      size={size}
      stroke={2.4}
      color="var(--quell-bad)"
      role="img"
      aria-label={about}
      data-hint={about}
      data-detection
      style={{ flex: "none", verticalAlign: "text-bottom" }}
    />
  );
}
