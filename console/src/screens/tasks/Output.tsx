/// What a program wrote, with everything in it made inert.

import { Button, Group, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";

import { Raw } from "../../ui/Raw";
import { bytes } from "../../ui/text";
import { isRecord } from "./schema";

type Written = { text: string; bytes: number; truncated: boolean };

/** Whether a part of an outcome is what was written to a stream, whatever its name. */
export function isOutput(value: unknown): value is Written {
  return (
    isRecord(value) &&
    typeof value["text"] === "string" &&
    typeof value["bytes"] === "number" &&
    typeof value["truncated"] === "boolean"
  );
}

function save(text: string, file: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = file;
  link.click();
  window.setTimeout(() => {
    URL.revokeObjectURL(address);
  }, 10_000);
}

export function Output({ output, file }: { output: Written; file: string }) {
  if (output.bytes === 0) {
    return (
      <Text size="sm" c="dimmed">
        Nothing was written.
      </Text>
    );
  }
  return (
    <>
      <Raw value={output.text} label={`${bytes(output.bytes)} written`} mah={360} />
      <Group gap="xs" mt={4} justify="space-between">
        <Text size="xs" c="dimmed">
          {output.truncated
            ? "This is its beginning: the archive of the command, where there is one, has all that was kept."
            : "This is all of it. What cannot be seen is named by its code point."}
        </Text>
        <Button
          size="compact-xs"
          variant="default"
          leftSection={<IconDownload size={14} aria-hidden />}
          onClick={() => {
            save(output.text, file);
          }}
        >
          Save as it is
        </Button>
      </Group>
    </>
  );
}
