/// The digest that a decision names, computed where it is read.

/** What stands in front of the intent where it is hashed. */
const DOMAIN = "quell/intent/v1\0";

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

export function toBase64(bytes: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}

/** Base64 for addresses, without padding. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  return fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
}

export function toBase64Url(bytes: ArrayBuffer): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The bytes of lower-case hex. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function toHex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** SHA-256, lower-case hex. Browsers compute it on encrypted pages and on this machine's own alone. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(await crypto.subtle.digest("SHA-256", bytes));
}

/** SHA-256 of the intent as approvals and orders bind it, lower-case hex. */
export async function digestOfIntent(intent: Uint8Array): Promise<string> {
  const head = new TextEncoder().encode(DOMAIN);
  const whole = new Uint8Array(head.length + intent.length);
  whole.set(head);
  whole.set(intent, head.length);
  return sha256(whole);
}
