/// Files that a command moved into its endpoint's vault, each with the way back.

import { Group, Text, Title } from "@mantine/core";
import { IconArrowBackUp } from "@tabler/icons-react";

import { useAct } from "../../act/start";
import { useMe, whyNot } from "../../api/me";
import { Deed } from "../../ui/Deed";
import { Name } from "../../ui/Name";
import { movedBy } from "./moved";
import type { Command } from "./words";
import classes from "./Task.module.css";

const RESTORE = "file.restore";
/** Files that are drawn; `file.restore` takes any by its id, which the raw outcome has. */
const SHOWN = 100;

export function Restores({ command }: { command: Command }) {
  const act = useAct();
  const me = useMe();
  const moved = movedBy(command.outcome);
  if (moved.length === 0) return null;
  return (
    <section aria-label="Moved into the vault">
      <Title order={3} mb={6}>
        Moved into the vault
      </Title>
      <ul className={classes.rows}>
        {moved.slice(0, SHOWN).map(({ vault, path }) => (
          <Group key={vault} component="li" justify="space-between" wrap="nowrap" gap="sm" px="xs" py={4}>
            <Text size="sm" miw={0} style={{ overflowWrap: "anywhere" }}>
              <Name length={200}>{path}</Name>
            </Text>
            <Deed
              size="compact-sm"
              variant="default"
              style={{ flex: "none" }}
              leftSection={<IconArrowBackUp size={14} aria-hidden />}
              why={whyNot(me, "task.submit", RESTORE)}
              onClick={() => {
                act({ action: RESTORE, endpoints: [command.endpoint_id], params: { vault_id: vault } });
              }}
            >
              Restore…
            </Deed>
          </Group>
        ))}
      </ul>
      {moved.length > SHOWN ? (
        <Text size="xs" c="dimmed">
          and {moved.length - SHOWN} more, in the raw outcome
        </Text>
      ) : null}
    </section>
  );
}
