/// Covers a page whose session another tab changed: what it shows and what it would do belong to somebody or somewhere else.

import { Button, Group, Modal, Text } from "@mantine/core";

import { useIsForeign } from "../api/page";

export function Foreign() {
  if (!useIsForeign()) return null;
  return (
    <Modal
      opened
      onClose={() => undefined}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      title="This page is over"
      zIndex={500}
      overlayProps={{ backgroundOpacity: 0.75, blur: 6 }}
    >
      <Text size="sm">
        You went on in another tenant, or as somebody else, in another tab. Nothing is sent from this page any more.
      </Text>
      <Group justify="flex-end" mt="md">
        <Button
          data-autofocus
          onClick={() => {
            window.location.reload();
          }}
        >
          Reload this page
        </Button>
      </Group>
    </Modal>
  );
}
