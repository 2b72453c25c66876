/// What other settings would do, as the server works it out, before they are saved.

import { Button, Group, List, Loader, Modal, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, data, type Schemas } from "../../../api/client";
import { Deed } from "../../../ui/Deed";
import { Lines } from "../../../ui/draft/Lines";
import type { Line } from "../../../ui/draft/lines";
import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import { Note } from "../../../ui/Note";
import { count } from "../../../ui/text";
import type { Settings } from "./settings";

type Preview = Schemas["ProtectionPreview"];
type Named = { source: string; id: string; title: string; severity: string };

/** Rules that are named of many. */
const NAMED = 8;

type Props = { settings: Settings; lines: Line[]; save: () => Promise<void>; close: () => void };

export function Review({ settings, lines, save, close }: Props) {
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const preview = useQuery({
    queryKey: ["protection-preview", settings],
    queryFn: ({ signal }) => data(api.POST("/api/v1/protection/preview", { body: settings, signal })),
    gcTime: 0,
    staleTime: Infinity,
  });
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
  const why =
    preview.data === undefined
      ? preview.error === null
        ? "What it would do is being worked out."
        : "The server would refuse it."
      : undefined;
  return (
    <Modal opened onClose={close} title="What changes" size="lg">
      <Stack gap="sm">
        <Lines lines={lines} />
        {preview.isPending ? <Loader size="sm" aria-label="Reading what it would do" /> : null}
        {preview.data === undefined ? null : <Effect preview={preview.data} />}
        <Failure error={error ?? preview.error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Go on editing
          </Button>
          <Deed why={why} loading={isBusy} onClick={() => void send()}>
            Save the settings
          </Deed>
        </Group>
      </Stack>
    </Modal>
  );
}

function Effect({ preview }: { preview: Preview }) {
  const { would_prevent: prevented, would_not_prevent: no_more, hits, endpoints, cannot_prevent: cannot } = preview;
  if (!preview.changes) return <Note>Nothing would change: that is what holds.</Note>;
  return (
    <>
      {prevented.length === 0 ? null : (
        <Note
          tone={hits > 0 ? "bad" : "warn"}
          title={`Hits of ${count(prevented.length, "rule")} would be prevented; in the last seven days there ${hits === 1 ? "was 1" : `were ${hits === 0 ? "none" : hits.toLocaleString("en")}`}`}
        >
          <Rules
            rules={prevented}
            beside={(index) => {
              const found = prevented[index]?.hits ?? 0;
              return found === 0 ? "" : `, ${count(found, "hit")}`;
            }}
          />
          {cannot === 0 ? null : `${count(cannot, "endpoint")} cannot prevent, and will detect.`}
        </Note>
      )}
      {no_more === 0 ? null : (
        <Note tone="warn">Hits of {count(no_more, "rule")} would not be prevented any more.</Note>
      )}
      {preview.added.length === 0 ? null : (
        <Note title={`${count(preview.added.length, "rule")} would come into force`}>
          <Rules rules={preview.added} />
        </Note>
      )}
      {preview.removed.length === 0 ? null : (
        <Note tone="warn" title={`${count(preview.removed.length, "rule")} would go out of force`}>
          <Rules rules={preview.removed} />
        </Note>
      )}
      <Text size="sm" c="dimmed">
        It holds on {count(endpoints, "endpoint")}: where they are connected at once, elsewhere when they connect. It
        stands in the audit trail, and can be put back.
      </Text>
    </>
  );
}

function Rules({ rules, beside = () => "" }: { rules: Named[]; beside?: (index: number) => string }) {
  const rest = rules.length - NAMED;
  return (
    <List size="sm">
      {rules.slice(0, NAMED).map((rule, index) => (
        <List.Item key={`${rule.source} ${rule.id}`}>
          <Name length={100}>{rule.title}</Name> ({rule.severity}
          {beside(index)})
        </List.Item>
      ))}
      {rest > 0 ? <List.Item>and {count(rest, "other")}</List.Item> : null}
    </List>
  );
}
