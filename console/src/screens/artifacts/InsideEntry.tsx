/// One file of an archive beside the list: what is known of it, and a part of it as text or bytes. Never as anything that a
/// browser would show by itself.

import { Button, Drawer, Group, SegmentedControl, Skeleton, Stack, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useState } from "react";

import { $api } from "../../api/client";
import { Facts } from "../../ui/Facts";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { Raw } from "../../ui/Raw";
import { bytes, clip, inert, words } from "../../ui/text";
import { Time } from "../../ui/Time";
import { Digest } from "./ArtifactCard";
import { hexLines } from "./hex";
import type { Entry } from "./Inside";

/** Bytes of one part, and how far into a file a part may begin, as the server has it. */
const PART = 16_384;
const FARTHEST = 64 * 1024 * 1024;

type Props = { id: string; entry: Entry | undefined; close: () => void };

export function InsideEntry({ id, entry, close }: Props) {
  return (
    <Drawer
      opened={entry !== undefined}
      onClose={close}
      size="xl"
      title={entry === undefined ? "File" : clip(inert((entry.path ?? entry.name).split("/").pop() ?? ""), 60)}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {entry === undefined ? null : (
        <Whole key={`${id} ${String(entry.index)} ${entry.path ?? ""}`} id={id} entry={entry} />
      )}
    </Drawer>
  );
}

function Whole({ id, entry }: { id: string; entry: Entry }) {
  const index = entry.index ?? undefined;
  return (
    <Stack gap="md">
      {index !== undefined && entry.readable ? (
        <Group>
          <Button
            component="a"
            href={`/api/v1/artifacts/${id}/entries/${String(index)}`}
            download
            leftSection={<IconDownload size={14} aria-hidden />}
          >
            Download this file
          </Button>
        </Group>
      ) : (
        <Text size="sm">
          {entry.reason
            ? `Its content is not in the archive: ${inert(words(entry.reason))}.`
            : "Its content cannot be read here."}
        </Text>
      )}
      <Facts
        rows={[
          ["Path", entry.path ? <Name key="path">{entry.path}</Name> : null],
          ["In the archive", entry.name === "" ? null : <Name key="name">{entry.name}</Name>],
          ["Size", `${bytes(entry.size)} (${entry.size.toLocaleString("en")} bytes)`],
          ["Changed", entry.modified_at ? <Time key="modified" at={entry.modified_at} /> : null],
          ["Owner", entry.uid === null || entry.uid === undefined ? null : String(entry.uid)],
          ["Mode", entry.mode ? inert(entry.mode) : null],
          ["SHA-256", entry.sha256 ? <Digest key="sha256" value={inert(entry.sha256)} name="SHA-256" /> : null],
          ["Definition", entry.asked_by ? <Name key="asked">{entry.asked_by}</Name> : null],
          ["While it was read", entry.changed ? "It changed: the hash is that of what was read." : null],
        ]}
      />
      {index !== undefined && entry.readable ? <Part id={id} index={index} size={entry.size} /> : null}
    </Stack>
  );
}

function Part({ id, index, size }: { id: string; index: number; size: number }) {
  const [offset, setOffset] = useState(0);
  const [look, setLook] = useState<string>();
  const answer = $api.useQuery("get", "/api/v1/artifacts/{id}/entries/{index}/preview", {
    params: { path: { id, index }, query: { offset, length: PART } },
  });
  if (answer.data === undefined) {
    return answer.error === null ? <Skeleton height={240} /> : <Failure error={answer.error} />;
  }
  const part = answer.data;
  const shown = look ?? (part.is_text ? "text" : "hex");
  const to = Math.min(offset + PART, size);
  return (
    <section aria-label="Content">
      <Group justify="space-between" mb="xs">
        <SegmentedControl
          aria-label="Shown as"
          value={shown}
          onChange={setLook}
          data={[
            { value: "text", label: "Text" },
            { value: "hex", label: "Bytes" },
          ]}
        />
        {size > PART ? (
          <Group gap="xs">
            <Text size="sm">
              {offset.toLocaleString("en")} to {to.toLocaleString("en")}
            </Text>
            <Button
              variant="default"
              size="compact-sm"
              disabled={offset === 0}
              onClick={() => {
                setOffset(Math.max(0, offset - PART));
              }}
            >
              Before
            </Button>
            <Button
              variant="default"
              size="compact-sm"
              disabled={to >= size || to > FARTHEST}
              onClick={() => {
                setOffset(to);
              }}
            >
              Next
            </Button>
          </Group>
        ) : null}
      </Group>
      {size === 0 ? (
        <Text size="sm" c="dimmed">
          The file is empty.
        </Text>
      ) : (
        <Raw
          label={shown === "text" ? "As text" : "As bytes"}
          value={shown === "text" ? part.text : hexLines(part.hex, offset)}
        />
      )}
    </section>
  );
}
