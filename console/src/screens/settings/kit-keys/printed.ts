/// A public key as the command line prints it, so that the two can be compared.

/** `ed25519:` and base64url for lower-case hex; what is no hex stays as it is. */
export function printed(hex: string): string {
  const pairs = /^(?:[0-9a-f]{2})+$/.test(hex) ? (hex.match(/../g) ?? []) : [];
  if (pairs.length === 0) return hex;
  const text = btoa(String.fromCharCode(...pairs.map((pair) => parseInt(pair, 16))));
  return `ed25519:${text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`;
}
