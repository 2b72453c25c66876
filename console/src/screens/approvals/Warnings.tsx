/// What is worth a second look before deciding, at a glance.

import { Group, Text, Tooltip } from "@mantine/core";
import {
  IconAlertTriangle,
  IconArrowBackUp,
  IconListCheck,
  IconShieldLock,
  IconStack2,
  IconUser,
  type Icon,
} from "@tabler/icons-react";

import { clip, inert } from "../../ui/text";
import { warningsOf, type Request } from "./request";
import classes from "./Approvals.module.css";

const SHAPES: Record<string, Icon> = {
  protected: IconShieldLock,
  excepted: IconListCheck,
  many: IconStack2,
  final: IconArrowBackUp,
  "logged-on": IconUser,
};

export function Warnings({ request, most = 6 }: { request: Request; most?: number }) {
  return (
    <Group component="span" gap={6} wrap="wrap">
      {warningsOf(request)
        .slice(0, most)
        .map((warning) => {
          const Shape = SHAPES[warning.id] ?? IconAlertTriangle;
          return (
            <Tooltip key={warning.id} label={clip(inert(warning.about), 600)}>
              <Text component="span" className={classes.warning} c={`var(--quell-${warning.tone})`}>
                <Shape size={13} aria-hidden />
                {warning.label}
              </Text>
            </Tooltip>
          );
        })}
    </Group>
  );
}
