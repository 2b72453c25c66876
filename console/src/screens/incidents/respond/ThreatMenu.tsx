/// “Threat response” of an incident: on its endpoints, and on the threat-detection object of the key event.

import { useState } from "react";

import { $api } from "../../../api/client";
import { useFilters } from "../../../app/url";
import { foremost, parsePlace } from "../page/place";
import { useChain } from "../page/useIncident";
import type { Activity, WholeIncident } from "../types";
import { byEndpoint, type Group } from "./offers";
import { ResponseMenu } from "./ResponseMenu";

export function ThreatMenu({ incident }: { incident: WholeIncident }) {
  const [isOpen, open] = useState(false);
  const [search] = useFilters();
  const place = parsePlace(search["at"]);
  const chain = useChain(incident.id, search["chain"], isOpen && incident.chain_count > 0);
  // The key event that one looks at, or else the foremost.
  const keys = chain.data?.key_activities ?? [];
  const looked = keys.find(
    (each) => place?.kind === "event" && place.activity === each.id && place.chain === each.chain,
  );
  const key: Activity | undefined = looked ?? foremost(keys);
  const event = $api.useQuery(
    "get",
    "/api/v1/incidents/{id}/activity/{chain}/{activity}",
    { params: { path: { id: incident.id, chain: key?.chain ?? "", activity: key?.id ?? 0 } } },
    { enabled: isOpen && key !== undefined },
  );
  const offers = event.data?.offers;
  const object: Group[] =
    key === undefined || offers === undefined || offers.items.length === 0
      ? []
      : [
          {
            label: "Threat-detection object",
            object: offers.object,
            offers: offers.items,
            about: () => ({ chain: key.chain, activity: key.id }),
          },
        ];
  return (
    <ResponseMenu
      incident={incident}
      groups={[...byEndpoint(incident.offers), ...object]}
      notYours={incident.not_yours}
      isReading={isOpen && incident.chain_count > 0 && (chain.isPending || (key !== undefined && event.isPending))}
      error={chain.error ?? event.error}
      opened={isOpen}
      open={open}
    />
  );
}
