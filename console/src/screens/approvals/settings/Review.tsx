/// What changes, before it is saved.

import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { Lines } from "../../../ui/draft/Lines";
import type { Line } from "../../../ui/draft/lines";
import { Failure } from "../../../ui/Failure";

export function Review({ lines, save, close }: { lines: Line[]; save: () => Promise<void>; close: () => void }) {
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const send = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await save();
      close();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={close} title="What changes" size="lg">
      <Stack gap="sm">
        <Lines lines={lines} />
        <Text size="sm" c="dimmed">
          It holds for requests from now on. What waits goes on waiting for those who were asked. It stands in the audit
          trail, and can be put back.
        </Text>
        <Failure error={error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Go on editing
          </Button>
          <Button loading={isBusy} onClick={() => void send()}>
            Save the settings
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
