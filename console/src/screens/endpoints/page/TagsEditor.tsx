/// The tags of one endpoint, changed in place.

import { ActionIcon, Button, Group, Stack, TagsInput, Text, Tooltip } from "@mantine/core";
import { IconPencil } from "@tabler/icons-react";
import { useState } from "react";

import { $api } from "../../../api/client";
import { asApiError } from "../../../api/problem";
import { refresh } from "../../../api/query";
import { Failure } from "../../../ui/Failure";
import { useWhyNot } from "../actions";
import { Tags } from "../columns";
import type { Endpoint } from "../row";

export function TagsEditor({ endpoint }: { endpoint: Endpoint }) {
  const why = useWhyNot("endpoint.tag", endpoint.tags);
  const [draft, setDraft] = useState<string[] | null>(null);
  const save = $api.useMutation("put", "/api/v1/endpoints/{id}/tags", {
    onSuccess: () => {
      setDraft(null);
      void refresh("/api/v1/endpoints", "/api/v1/audit");
    },
  });
  if (draft === null) {
    return (
      <Group gap="xs" wrap="nowrap">
        <Tags tags={endpoint.tags} shown={12} />
        <Tooltip label={why ?? "Change the tags"}>
          <ActionIcon
            variant="subtle"
            color="gray"
            size="sm"
            aria-label="Change the tags"
            aria-disabled={why !== undefined}
            onClick={() => {
              if (why === undefined) setDraft(endpoint.tags);
            }}
          >
            <IconPencil size={15} />
          </ActionIcon>
        </Tooltip>
      </Group>
    );
  }
  return (
    <Stack gap="xs" w="100%" maw={520}>
      <TagsInput
        label="Tags"
        value={draft}
        onChange={setDraft}
        maxTags={32}
        data-autofocus
        error={save.error === null ? undefined : asApiError(save.error).field("tags")}
      />
      <Text size="xs" c="dimmed">
        Roles and approvals may go by tags: a change takes effect at once.
      </Text>
      <Failure error={save.error} />
      <Group gap="xs">
        <Button
          size="compact-sm"
          loading={save.isPending}
          onClick={() => {
            save.mutate({ params: { path: { id: endpoint.id } }, body: { tags: draft } });
          }}
        >
          Save
        </Button>
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => {
            setDraft(null);
          }}
        >
          Cancel
        </Button>
      </Group>
    </Stack>
  );
}
