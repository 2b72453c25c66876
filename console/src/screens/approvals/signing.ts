/// The approver's own signature, where endpoints demand one: an assertion of a passkey whose challenge is the digest.

import type { Schemas } from "../../api/client";
import { fromBase64Url, fromHex, toBase64, toBase64Url } from "./digest";

type Signing = Schemas["Signing"];

/** Whether a passkey of this person can sign in this browser. */
export function canSignHere(signing: Signing): boolean {
  return signing.keys.length > 0 && typeof PublicKeyCredential === "function";
}

/** Asks the authenticator to sign the digest. */
export async function signDigest(signing: Signing, digest: string): Promise<Schemas["NewSignature"]> {
  const found = await navigator.credentials.get({
    publicKey: {
      challenge: fromHex(digest),
      rpId: signing.rp_id,
      allowCredentials: signing.keys.map((key) => ({ type: "public-key", id: fromBase64Url(key.credential) })),
      userVerification: "required",
    },
  });
  if (!(found instanceof PublicKeyCredential)) throw new Error("The authenticator gave no signature.");
  const response = found.response as AuthenticatorAssertionResponse;
  const key = signing.keys.find((one) => one.credential === toBase64Url(found.rawId));
  if (key === undefined)
    throw new Error("The authenticator signed with another passkey than the one that was asked for.");
  return {
    key_id: key.key_id,
    kind: "webauthn",
    signature: toBase64(response.signature),
    authenticator_data: toBase64(response.authenticatorData),
    client_data: toBase64(response.clientDataJSON),
  };
}
