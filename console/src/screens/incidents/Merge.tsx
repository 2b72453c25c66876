/// Making one incident of several.

import { List, Radio, Stack, Text } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { api } from "../../api/client";
import { refresh } from "../../api/query";
import { AskWhy } from "../../ui/AskWhy";
import { Name } from "../../ui/Name";
import { count } from "../../ui/text";
import type { Incident } from "./types";

export function Merge({ incidents, close, done }: { incidents: Incident[]; close: () => void; done: () => void }) {
  const navigate = useNavigate();
  const oldest = [...incidents].sort((one, other) => one.number - other.number)[0];
  const [into, setInto] = useState(oldest?.id ?? "");
  const send = async (reason: string): Promise<void> => {
    await api.POST("/api/v1/incidents/merge", {
      body: { into, incidents: incidents.map(({ id }) => id).filter((id) => id !== into), reason },
    });
    await refresh("/api/v1/incidents", "/api/v1/detections");
    done();
    const number = incidents.find(({ id }) => id === into)?.number;
    if (number !== undefined) void navigate({ to: `/incidents/${String(number)}` });
  };
  return (
    <AskWhy
      title={`Merge ${count(incidents.length, "incident")}`}
      deed="Merge"
      label="Reason"
      description="People read it, and it stays in the audit trail."
      act={send}
      close={close}
    >
      <Radio.Group label="They go on as" value={into} onChange={setInto}>
        <Stack gap={8} mt={6}>
          {incidents.slice(0, 20).map(({ id, number, title }) => (
            <Radio key={id} value={id} label={<Label number={number} title={title} />} />
          ))}
        </Stack>
      </Radio.Group>
      <List size="sm">
        <List.Item>Detections, chains, notes and responses of the others become part of it.</List.Item>
        <List.Item>The others are closed as duplicates and say where they went.</List.Item>
      </List>
      <Text size="sm" c="var(--quell-warn)">
        Incidents cannot be parted again.
      </Text>
    </AskWhy>
  );
}

function Label({ number, title }: { number: number; title: string }) {
  return (
    <>
      #{number} <Name length={80}>{title}</Name>
    </>
  );
}
