/// What a person should look at, and the words with which they say that they did.

import { Alert, Text, Textarea } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useState } from "react";

import { api } from "../../../api/client";
import { refresh } from "../../../api/query";
import { Deed } from "../../../ui/Deed";
import { Name } from "../../../ui/Name";
import { Sure } from "../../../ui/Sure";
import { inertLines } from "../../../ui/text";
import { tone } from "../../../ui/tone";
import { useWhyNot } from "../actions";
import type { Endpoint } from "../row";

export function AlarmBanner({ endpoint }: { endpoint: Endpoint }) {
  const [isAsked, ask] = useState(false);
  const [reason, setReason] = useState("");
  const why = useWhyNot("endpoint.acknowledge", endpoint.tags);
  const alarm = endpoint.alarm;
  if (!alarm) return null;
  return (
    <Alert
      variant="outline"
      color="red"
      styles={tone("bad")}
      icon={<IconAlertTriangle aria-hidden />}
      title="Alarm"
      mb="sm"
      role="alert"
    >
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        {inertLines(alarm)}
      </Text>
      <Deed
        size="compact-sm"
        variant="default"
        mt="xs"
        why={why}
        onClick={() => {
          ask(true);
        }}
      >
        Acknowledge…
      </Deed>
      {isAsked ? (
        <Sure
          title="Acknowledge the alarm"
          deed="Acknowledge it"
          act={async () => {
            await api.POST("/api/v1/endpoints/{id}/acknowledge", {
              params: { path: { id: endpoint.id } },
              body: { reason: reason.trim(), alarm },
            });
            await refresh("/api/v1/endpoints", "/api/v1/overview", "/api/v1/audit");
          }}
          close={() => {
            ask(false);
          }}
        >
          <Text size="sm">
            The alarm of{" "}
            <b>
              <Name>{endpoint.name}</Name>
            </b>{" "}
            is taken away; the audit trail keeps it. What gave rise to it can raise it again. If another alarm stands by
            then, nothing is taken away.
          </Text>
          <Textarea
            label="What was found"
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
      ) : null}
    </Alert>
  );
}
