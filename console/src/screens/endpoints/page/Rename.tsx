/// Another name for an endpoint.

import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";

import { $api } from "../../../api/client";
import { asApiError } from "../../../api/problem";
import { refresh } from "../../../api/query";
import { Failure } from "../../../ui/Failure";
import type { Endpoint } from "../row";

export function Rename({ endpoint, close }: { endpoint: Endpoint; close: () => void }) {
  const [name, setName] = useState(endpoint.name);
  const rename = $api.useMutation("put", "/api/v1/endpoints/{id}/name", {
    onSuccess: () => {
      void refresh("/api/v1/endpoints", "/api/v1/audit");
      close();
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    rename.mutate({ params: { path: { id: endpoint.id } }, body: { name: name.trim() } });
  };
  return (
    <Modal opened onClose={close} title="Rename the endpoint">
      <form onSubmit={submit}>
        <Stack gap="sm">
          <Text size="sm" c="dimmed">
            People call it and name it by this; its host name stays what the machine says. No other active endpoint may
            have the name.
          </Text>
          <TextInput
            label="Name"
            required
            maxLength={253}
            data-autofocus
            value={name}
            onChange={(event) => {
              setName(event.currentTarget.value);
            }}
            error={rename.error === null ? undefined : asApiError(rename.error).field("name")}
          />
          <Failure error={rename.error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={rename.isPending} disabled={name.trim() === endpoint.name}>
              Rename
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
