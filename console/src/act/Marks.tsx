/// What kind of deed an action is, at a glance: harm, way back, where it works.

import { Group, Text } from "@mantine/core";
import {
  IconAlertTriangle,
  IconArrowBackUp,
  IconDeviceDesktop,
  IconEye,
  IconFlame,
  type Icon,
} from "@tabler/icons-react";

import { words } from "../ui/text";
import type { Action } from "./draft";

const RISK: Record<string, string> = { low: "quiet", medium: "warn", high: "bad" };
const SYSTEMS: Record<string, string> = { linux: "Linux", windows: "Windows", macos: "macOS" };

function Mark({ icon: Shape, tone, children }: { icon: Icon; tone: string; children: string }) {
  return (
    <Group component="span" display="inline-flex" gap={4} wrap="nowrap" c={`var(--quell-${tone})`}>
      <Shape size={14} aria-hidden style={{ flex: "none" }} />
      <Text component="span" size="xs" c="inherit" fw={550}>
        {children}
      </Text>
    </Group>
  );
}

/** `titles` names the action that takes it back. */
export function Marks({ action, titles }: { action: Action; titles: ReadonlyMap<string, string> }) {
  const risk = String(action.risk);
  const systems = action.systems.map((system) => SYSTEMS[String(system)] ?? String(system)).join(", ");
  return (
    <Group component="span" gap={12} style={{ rowGap: 2 }}>
      <Mark icon={IconFlame} tone={RISK[risk] ?? "quiet"}>{`${words(risk)} risk`}</Mark>
      {action.effect === "read_only" ? (
        <Mark icon={IconEye} tone="quiet">
          changes nothing
        </Mark>
      ) : action.effect === "irreversible" ? (
        <Mark icon={IconAlertTriangle} tone="warn">
          cannot be taken back
        </Mark>
      ) : action.effect === "piecewise" ? (
        <Mark icon={IconArrowBackUp} tone="ok">
          {`changes nothing unless asked; taken back piece by piece by ${titles.get(action.undone_by ?? "") ?? action.undone_by ?? "another action"}`}
        </Mark>
      ) : (
        <Mark icon={IconArrowBackUp} tone="ok">
          {`taken back by ${titles.get(action.undone_by ?? "") ?? action.undone_by ?? "another action"}`}
        </Mark>
      )}
      {systems === "" ? null : (
        <Mark icon={IconDeviceDesktop} tone="quiet">
          {systems}
        </Mark>
      )}
    </Group>
  );
}
