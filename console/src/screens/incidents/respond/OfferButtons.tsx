/// What may be done about something, as buttons where one looks at it; those that cannot be pressed say why.

import { Group, Loader, Text } from "@mantine/core";
import { lazy, Suspense, useState } from "react";

import { Deed } from "../../../ui/Deed";
import { Name } from "../../../ui/Name";
import type { Offer, Offers } from "../types";
import { reasons, whyNothing, whyNotOffer, type About } from "./offers";
import type { Asked } from "./RespondDialog";

const RespondDialog = lazy(() => import("./RespondDialog"));

type Props = {
  incident: Asked["incident"];
  offers: Offers;
  about: About;
  notYours: string | null | undefined;
};

export function OfferButtons({ incident, offers, about, notYours }: Props) {
  const [asked, ask] = useState<Offer>();
  const nothing = whyNothing(offers);
  if (nothing !== undefined) {
    return (
      <Text size="sm" c="dimmed">
        <Name length={400}>{nothing}</Name>
      </Text>
    );
  }
  return (
    <>
      {offers.object == null ? null : (
        <Text size="xs" c="dimmed" mb={4} style={{ overflowWrap: "anywhere" }}>
          Object:{" "}
          <Name mono length={200}>
            {offers.object}
          </Name>
        </Text>
      )}
      <Group gap={6} role="group" aria-label="Response actions on it">
        {offers.items.map((offer) => (
          <Deed
            key={offer.action}
            size="compact-sm"
            variant="default"
            why={whyNotOffer(offer, notYours)}
            onClick={() => {
              ask(offer);
            }}
          >
            {offer.title}
          </Deed>
        ))}
      </Group>
      {reasons(offers.items, notYours).map(([why, titles]) => (
        <Text key={why} size="xs" c="dimmed" mt={4} style={{ overflowWrap: "anywhere" }}>
          {titles.length === offers.items.length ? null : `${titles.join(", ")}: `}
          <Name length={300}>{why}</Name>
        </Text>
      ))}
      <Suspense fallback={<Loader size="xs" aria-label="Reading the dialog" />}>
        {asked === undefined ? null : (
          <RespondDialog
            asked={{ incident, offer: asked, about }}
            close={() => {
              ask(undefined);
            }}
          />
        )}
      </Suspense>
    </>
  );
}
