import { describe, expect, it } from "vitest";

import { digestOfIntent, fromBase64Url, fromHex, toBase64Url, toHex } from "./digest";

describe("digests", () => {
  it("hashes the domain, a zero byte, and the intent", async () => {
    // printf 'quell/intent/v1\0abc' | sha256sum
    expect(await digestOfIntent(new TextEncoder().encode("abc"))).toBe(
      "604141a06fa862ad1c0a467b912187a4fbf3114032607e3648fc76b5bb4999fb",
    );
  });

  it("writes and reads hex and base64 for addresses", () => {
    expect(toHex(fromHex("00ff10").buffer)).toBe("00ff10");
    const bytes = Uint8Array.from([251, 255, 254, 0]);
    expect(toBase64Url(bytes.buffer)).toBe("-__-AA");
    expect([...fromBase64Url("-__-AA")]).toEqual([...bytes]);
  });
});
