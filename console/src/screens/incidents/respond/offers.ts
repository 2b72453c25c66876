/// What may be done about something, in the order in which it helps, and why something may not.

import type { Schemas } from "../../../api/client";
import type { Offer, Offers } from "../types";

export type Body = Schemas["NewResponse"];

/** What an offer is about: a part of a chain, a detection, or an endpoint. */
export type About = { chain: string; activity: number } | { detection: string } | { endpoint: string };

export type Group = {
  label: string;
  object?: string | null | undefined;
  offers: Offer[];
  about: (offer: Offer) => About;
};

/** Why an offer cannot be pressed; `notYours` is why the person may not respond at all. */
export function whyNotOffer(offer: Offer, notYours: string | null | undefined): string | undefined {
  if (notYours != null) return sentence(notYours);
  if (offer.possible) return undefined;
  return offer.refused == null ? "It cannot be asked for now." : sentence(offer.refused.text);
}

/** Why offers cannot be pressed, each reason once with those that it is about. */
export function reasons(
  offers: readonly Offer[],
  notYours: string | null | undefined,
): [why: string, titles: string[]][] {
  const found = new Map<string, string[]>();
  for (const offer of offers) {
    const why = whyNotOffer(offer, notYours);
    if (why !== undefined) found.set(why, [...(found.get(why) ?? []), offer.title]);
  }
  return [...found];
}

/** What the API says without a capital and a full stop, as a sentence. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  if (trimmed === "") return "";
  // A sentence may begin with a name, which stays as it is.
  const begun = /^[a-z]+(?:['’]s)?[\s,:.]/.test(trimmed) ? trimmed.charAt(0).toUpperCase() + trimmed.slice(1) : trimmed;
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}

/** Offers about endpoints, by endpoint, in the order in which these come. */
export function byEndpoint(offers: readonly Offer[]): Group[] {
  const groups = new Map<string, Group>();
  for (const offer of offers) {
    const id = offer.endpoint?.id ?? "";
    const group = groups.get(id) ?? {
      label: offer.endpoint?.name ?? "",
      offers: [],
      about: (each: Offer): About => ({ endpoint: each.endpoint?.id ?? "" }),
    };
    group.offers.push(offer);
    groups.set(id, group);
  }
  return [...groups.values()];
}

/** The body of a response, or of its preview. */
export function bodyOf(
  offer: Pick<Offer, "action">,
  about: About,
  params: Record<string, unknown>,
  reason: string,
  revertAfter: number | null,
): Body {
  return {
    action: offer.action,
    ...about,
    ...(Object.keys(params).length > 0 ? { params: params as NonNullable<Body["params"]> } : {}),
    reason,
    ...(revertAfter === null ? {} : { revert_after_seconds: revertAfter }),
  };
}

/** The choices of an offer that are not as the offer sets them. */
export function chosenParams(
  offer: Pick<Offer, "choices">,
  chosen: ReadonlyMap<string, boolean>,
): Record<string, boolean> {
  return Object.fromEntries(
    offer.choices
      .map(({ field, preset }): [string, boolean, boolean] => [field, chosen.get(field) ?? preset, preset])
      .filter(([, value, preset]) => value !== preset)
      .map(([field, value]) => [field, value]),
  );
}

/** Why nothing is offered at all; nothing where something is. */
export function whyNothing(offers: Offers): string | undefined {
  if (offers.items.length > 0) return undefined;
  return sentence(offers.nothing?.text ?? "Nothing is offered for this.");
}
