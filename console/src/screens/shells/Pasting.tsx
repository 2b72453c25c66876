/// Before several lines are pasted into a shell: each of them would run at once.

import { Box, Button, Group, Modal, Stack, Text } from "@mantine/core";

import { Deed } from "../../ui/Deed";
import { bytes, clip, count, inertLines } from "../../ui/text";

/** Characters of it that are shown. */
const SHOWN = 20_000;

type Props = {
  text: string;
  /** Bytes that the line takes at once. */
  most: number;
  close: (isWanted: boolean) => void;
};

export function Pasting({ text, most, close }: Props) {
  const lines = text.replace(/\r?\n$/, "").split(/\r\n?|\n/).length;
  const size = new TextEncoder().encode(text).length;
  return (
    <Modal
      opened
      returnFocus={false}
      onClose={() => {
        close(false);
      }}
      title={lines > 1 ? `Paste ${count(lines, "line")}?` : "Paste this?"}
      size="lg"
    >
      <Stack gap="sm">
        <Text size="sm">
          {lines > 1
            ? "The shell may run each line as soon as it arrives."
            : "It has control characters, which the shell takes for keys: it may run at once."}
        </Text>
        <Box
          component="pre"
          tabIndex={0}
          aria-label="What is pasted"
          m={0}
          p="xs"
          mah={320}
          fz="xs"
          style={{
            overflow: "auto",
            whiteSpace: "pre-wrap",
            overflowWrap: "anywhere",
            border: "1px solid var(--quell-line)",
            borderRadius: "var(--mantine-radius-sm)",
          }}
        >
          {clip(inertLines(text), SHOWN)}
        </Box>
        <Group justify="flex-end" gap="xs">
          <Button
            variant="default"
            data-autofocus
            onClick={() => {
              close(false);
            }}
          >
            Cancel
          </Button>
          <Deed
            why={size > most ? `${bytes(size)} is more than is taken at once (${bytes(most)}): use a file.` : undefined}
            onClick={() => {
              close(true);
            }}
          >
            {lines > 1 ? `Paste ${count(lines, "line")}` : "Paste"}
          </Deed>
        </Group>
      </Stack>
    </Modal>
  );
}
