/// Tags of many endpoints: some added, some taken away, the others left.

import { Button, Group, Modal, Progress, Stack, TagsInput, Text } from "@mantine/core";
import { useState } from "react";

import { api } from "../../api/client";
import { refresh } from "../../api/query";
import { Failure } from "../../ui/Failure";
import { count, inert } from "../../ui/text";
import type { Row } from "./row";

/** Endpoints of one request. */
const MANY = 500;

type Props = { endpoints: Pick<Row, "id" | "name" | "tags">[]; close: () => void; changed: () => void };

export default function TagDialog({ endpoints, close, changed }: Props) {
  const [add, setAdd] = useState<string[]>([]);
  const [remove, setRemove] = useState<string[]>([]);
  const [done, setDone] = useState<number | null>(null);
  const [error, setError] = useState<unknown>(null);
  const present = [...new Set(endpoints.flatMap((endpoint) => endpoint.tags))].sort().slice(0, 200);
  const both = add.filter((tag) => remove.includes(tag));
  const isReady = add.length + remove.length > 0 && both.length === 0;
  const apply = async (): Promise<void> => {
    setError(null);
    try {
      for (let at = 0; at < endpoints.length; at += MANY) {
        setDone(at);
        const part = endpoints.slice(at, at + MANY).map((endpoint) => endpoint.id);
        await api.POST("/api/v1/endpoints/tags", { body: { endpoints: part, add, remove } });
      }
      changed();
      void refresh("/api/v1/endpoints/{id}", "/api/v1/audit");
      close();
    } catch (failure) {
      setError(failure);
      setDone(null);
      changed();
    }
  };
  return (
    <Modal opened onClose={close} title={`Tags of ${count(endpoints.length, "endpoint")}`}>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          Tags say which roles reach an endpoint and which requests need an approval. What changes takes effect at once;
          each change stays in the audit trail.
        </Text>
        <TagsInput
          label="Add"
          openOnFocus={false}
          value={add}
          onChange={setAdd}
          data={present}
          maxTags={32}
          data-autofocus
        />
        <TagsInput
          label="Remove"
          description="Where an endpoint has it"
          value={remove}
          onChange={setRemove}
          data={present}
          maxTags={32}
          error={both.length > 0 ? `${both.map(inert).join(", ")}: added and removed` : undefined}
        />
        <Failure error={error} />
        {done !== null && endpoints.length > MANY ? (
          <Progress value={(done / endpoints.length) * 100} aria-label="Endpoints tagged" />
        ) : null}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button onClick={() => void apply()} disabled={!isReady} loading={done !== null}>
            Change the tags of {count(endpoints.length, "endpoint")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
