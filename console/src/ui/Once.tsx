/// A secret that is shown this once: large enough to be read, with a way to take it along.

import { Box, Button, CopyButton, Group, Text } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { Note } from "./Note";

type Props = { label: string; value: string; about?: string };

export function Once({ label, value, about }: Props) {
  return (
    <Box>
      <Group justify="space-between" mb={4} gap="xs">
        <Text size="sm" fw={600}>
          {label}
        </Text>
        <CopyButton value={value} timeout={1500}>
          {({ copied, copy }) => (
            <Button
              size="compact-sm"
              variant="default"
              onClick={copy}
              leftSection={copied ? <IconCheck size={14} aria-hidden /> : <IconCopy size={14} aria-hidden />}
            >
              {copied ? "Copied" : "Copy"}
            </Button>
          )}
        </CopyButton>
      </Group>
      <Box
        component="pre"
        m={0}
        p="xs"
        ff="monospace"
        fz="sm"
        tabIndex={0}
        aria-label={label}
        style={{
          background: "var(--quell-surface)",
          border: "1px solid var(--quell-line)",
          borderRadius: "var(--mantine-radius-sm)",
          whiteSpace: "pre-wrap",
          overflowWrap: "anywhere",
          userSelect: "all",
        }}
      >
        {value}
      </Box>
      {about === undefined ? null : (
        <Text size="xs" c="dimmed" mt={4}>
          {about}
        </Text>
      )}
    </Box>
  );
}

/** Says that what stands below is gone when the dialog closes. */
export function OnceNote() {
  return <Note tone="warn">This is shown once. Take it along before you close.</Note>;
}
