/// The link with which somebody sets their password, shown once to whoever made it.

import { Button, Group, Modal, Stack, Text } from "@mantine/core";

import type { Schemas } from "../../../api/client";
import { Name } from "../../../ui/Name";
import { Once, OnceNote } from "../../../ui/Once";
import { Time } from "../../../ui/Time";

type Props = { ticket: Schemas["ShownTicket"]; name: string; title: string; close: () => void };

export function ShownTicket({ ticket, name, title, close }: Props) {
  // Where the server does not know its address, the page's own is the best guess.
  const link = ticket.link ?? `${window.location.origin}/welcome#${ticket.token}`;
  return (
    <Modal opened onClose={close} title={title} size="lg" closeOnClickOutside={false} closeOnEscape={false}>
      <Stack gap="sm">
        <Text size="sm">
          Hand this to{" "}
          <b>
            <Name length={60}>{name}</Name>
          </b>{" "}
          in a way that nobody else reads: whoever has it sets the password. It is good once, until{" "}
          <Time at={ticket.expires_at} />.
        </Text>
        <OnceNote />
        <Once label="Link" value={link} about="What stands behind # is sent to no server when the link is opened." />
        <Once label="The same for the command line" value={ticket.token} about="quell people redeem asks for it." />
        <Group justify="flex-end">
          <Button onClick={close}>Done</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
