/// WebAuthn as the browser has it: options in as JSON, credentials out as JSON.

type Creation = Parameters<typeof PublicKeyCredential.parseCreationOptionsFromJSON>[0];
type Asking = Parameters<typeof PublicKeyCredential.parseRequestOptionsFromJSON>[0];

/** Whether this browser can do it here. */
export function canUsePasskeys(): boolean {
  return typeof PublicKeyCredential === "function" && "parseRequestOptionsFromJSON" in PublicKeyCredential;
}

function publicKey<T>(options: Record<string, unknown>): T {
  return (options["publicKey"] ?? options) as T;
}

function asJson(credential: Credential | null): Record<string, never> {
  if (!(credential instanceof PublicKeyCredential)) throw new Error("The authenticator gave no passkey.");
  return credential.toJSON() as Record<string, never>;
}

/** Asks an authenticator for a signature. */
export async function getCredential(options: Record<string, unknown>): Promise<Record<string, never>> {
  const asked = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey<Asking>(options));
  return asJson(await navigator.credentials.get({ publicKey: asked }));
}

/** Asks an authenticator for a new passkey. */
export async function createCredential(options: Record<string, unknown>): Promise<Record<string, never>> {
  const asked = PublicKeyCredential.parseCreationOptionsFromJSON(publicKey<Creation>(options));
  return asJson(await navigator.credentials.create({ publicKey: asked }));
}
