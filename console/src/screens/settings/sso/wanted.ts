/// A provider as the API wants it back: what is shown of it, without its secret.

import type { Schemas } from "../../../api/client";

export type IdentityProvider = Schemas["IdentityProvider"];
export type Wanted = Schemas["WantedProvider"];

export const NEW: Wanted = {
  name: "",
  issuer: "",
  client_id: "",
  scopes: ["openid", "email", "profile"],
  group_claim: "groups",
  mapping: [],
  make_accounts: true,
  domains: [],
  trust_email: false,
  offered: false,
  enabled: true,
};

/** The same provider, to be changed. Without `client_secret` the one that is kept stays. */
export function wanted(provider: IdentityProvider): Wanted {
  const { name, issuer, client_id, scopes, group_claim, mapping, make_accounts, domains, trust_email, offered } =
    provider;
  return {
    name,
    issuer,
    client_id,
    scopes,
    group_claim,
    mapping,
    make_accounts,
    domains,
    trust_email,
    offered,
    enabled: provider.state === "active",
  };
}
