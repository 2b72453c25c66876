/// What can be done about an event; where nothing can, why, and whether its endpoint can be asked for a chain.

import { Alert, Box, Text } from "@mantine/core";
import { IconInfoCircle, IconTimelineEvent } from "@tabler/icons-react";
import { useState } from "react";

import { useAct } from "../../act/start";
import { useMe, whyNot } from "../../api/me";
import { Deed } from "../../ui/Deed";
import { Name } from "../../ui/Name";
import { clip, inert } from "../../ui/text";
import { tone } from "../../ui/tone";
import { useIncident } from "../incidents/page/useIncident";
import { byEndpoint, sentence, type Group as Offered } from "../incidents/respond/offers";
import { ResponseMenu } from "../incidents/respond/ResponseMenu";
import type { WholeDetection } from "../incidents/types";
import { chainParams } from "./ask";

export function EventResponse({ event }: { event: WholeDetection }) {
  const me = useMe();
  const act = useAct();
  if (event.is_edr && event.incident != null) return <Threat event={event} incident={event.incident} />;
  const endpoint = event.can_ask_chain_of;
  const why = event.offers.nothing?.text ?? "no chain was built for this event";
  return (
    <Alert
      variant="outline"
      styles={tone("quiet")}
      icon={<IconInfoCircle aria-hidden />}
      title="Response actions are not offered"
      p="sm"
      data-testid="no-response"
    >
      <Text size="sm">
        <Name length={400}>{sentence(why)}</Name>
      </Text>
      {endpoint == null ? null : (
        <Box mt={8}>
          <Deed
            size="compact-sm"
            variant="default"
            leftSection={<IconTimelineEvent size={14} aria-hidden />}
            why={whyNot(me, "task.submit", "endpoint.collect_chain")}
            onClick={() => {
              act({
                action: "endpoint.collect_chain",
                endpoints: [endpoint.id],
                params: chainParams(event),
                reason: event.title,
              });
            }}
          >
            Ask {clip(inert(endpoint.name), 30)} for its chain…
          </Deed>
          <Text size="xs" c="dimmed" mt={4}>
            Its agent looks through what it recorded around that time, and sends the processes around what it finds.
          </Text>
        </Box>
      )}
    </Alert>
  );
}

function Threat({ event, incident }: { event: WholeDetection; incident: { id: string; number: number } }) {
  const [isOpen, open] = useState(false);
  const whole = useIncident(incident.id);
  const offers = whole.data?.data.offers.filter(({ endpoint }) => endpoint?.id === event.endpoint?.id) ?? [];
  const object: Offered[] =
    event.offers.items.length === 0
      ? []
      : [
          {
            label: "Threat-detection object",
            object: event.offers.object,
            offers: event.offers.items,
            about: () => ({ detection: event.id }),
          },
        ];
  return (
    <ResponseMenu
      incident={incident}
      groups={[...byEndpoint(offers), ...object]}
      notYours={event.not_yours}
      isReading={whole.isPending}
      error={whole.error}
      opened={isOpen}
      open={open}
    />
  );
}
