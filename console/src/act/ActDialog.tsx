/// The dialog that asks for an action.

import { Modal } from "@mantine/core";

import type { Start } from "./start";

export default function ActDialog({ start, close }: { start: Start; close: () => void }) {
  return (
    <Modal opened onClose={close} title="Act">
      {start.action}
    </Modal>
  );
}
