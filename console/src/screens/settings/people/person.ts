/// A person in words.

import type { Schemas } from "../../../api/client";

export type Person = Schemas["PersonView"];

/** How somebody comes in. Passkeys are their own business and not listed. */
export function wayIn(person: Person): string {
  const isFederated = person.roles.some((held) => held.source !== "manual");
  const own = person.password ? (person.totp ? "password and code" : "password") : undefined;
  const sso = isFederated ? "single sign-on" : undefined;
  return [own, sso].filter((way) => way !== undefined).join(", ") || (person.state === "invited" ? "nothing yet" : "–");
}
