/// The end of an endpoint's identity: said in full, named, typed, and with what it leaves behind.

import { Alert, Button, Group, List, Modal, Stack, Text, Textarea } from "@mantine/core";
import { IconShieldLock } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useRef, useState } from "react";

import { api, data, type Schemas } from "../../../api/client";
import { refresh } from "../../../api/query";
import { Name } from "../../../ui/Name";
import { Sure } from "../../../ui/Sure";
import { clip, count, inert, inertLines, toType } from "../../../ui/text";
import type { Endpoint } from "../row";
import { tone } from "../../../ui/tone";

export function Revoke({ endpoint, close }: { endpoint: Endpoint; close: () => void }) {
  const [reason, setReason] = useState("");
  const [left, setLeft] = useState<Schemas["Revoked"] | null>(null);
  const hasMore = useRef(false);
  const isIsolated = endpoint.isolation !== null && endpoint.isolation !== undefined;
  if (left) return <Left left={left} close={close} />;
  return (
    <Sure
      title="Revoke its identity"
      typed={toType(endpoint.name, endpoint.id)}
      deed={`Revoke ${clip(inert(endpoint.name), 40)}`}
      act={async () => {
        const answer = await data(
          api.POST("/api/v1/endpoints/{id}/revoke", {
            params: { path: { id: endpoint.id } },
            body: { reason: reason.trim() },
          }),
        );
        await refresh("/api/v1/endpoints", "/api/v1/tasks", "/api/v1/overview", "/api/v1/audit");
        // What it left is said before the dialog goes.
        if (!answer || (!answer.isolation && answer.voided === 0)) return;
        hasMore.current = true;
        setLeft(answer);
      }}
      close={() => {
        if (!hasMore.current) close();
      }}
    >
      <Text size="sm" component="div">
        The identity of{" "}
        <b>
          <Name>{endpoint.name}</Name>
        </b>{" "}
        ends now and for good:
      </Text>
      <List size="sm">
        <List.Item>its certificate is worth nothing, and its session ends at once;</List.Item>
        <List.Item>orders that wait for it are void;</List.Item>
        <List.Item>the machine can come back only by enrolling again with a token, as another endpoint;</List.Item>
        <List.Item>what it did and what was collected from it stays.</List.Item>
      </List>
      {isIsolated ? (
        <Alert
          color="orange"
          styles={tone("warn")}
          variant="outline"
          icon={<IconShieldLock aria-hidden />}
          title="It is isolated"
        >
          It stays isolated, and no order can lift that any more: only the release code, typed in at the machine.
          Restore it first.
        </Alert>
      ) : null}
      <Textarea
        label="Reason"
        required
        autosize
        minRows={2}
        maxLength={2000}
        value={reason}
        onChange={(event) => {
          setReason(event.currentTarget.value);
        }}
      />
    </Sure>
  );
}

function Left({ left, close }: { left: Schemas["Revoked"]; close: () => void }) {
  return (
    <Modal opened onClose={close} title="Its identity is revoked">
      <Stack gap="sm">
        {left.voided > 0 ? <Text size="sm">{count(left.voided, "open command")} of it ended.</Text> : null}
        {left.isolation ? (
          <Alert
            color="orange"
            styles={tone("warn")}
            variant="outline"
            icon={<IconShieldLock aria-hidden />}
            title="It stays isolated"
          >
            <Text size="sm">{inertLines(left.isolation.warning)}</Text>
            <Button component={Link} to={`/tasks/${left.isolation.task}`} size="compact-sm" variant="default" mt="xs">
              The task with the release code
            </Button>
          </Alert>
        ) : null}
        <Group justify="flex-end">
          <Button onClick={close}>Close</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
