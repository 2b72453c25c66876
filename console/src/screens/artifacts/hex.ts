/// Bytes for people: where they stand, sixteen to a line, and what of them can be read.

export function hexLines(hex: string, offset: number): string {
  const lines: string[] = [];
  for (let at = 0; at < hex.length; at += 32) {
    const pairs = hex.slice(at, at + 32).match(/../g) ?? [];
    const read = pairs.map((pair) => {
      const code = parseInt(pair, 16);
      return code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : ".";
    });
    const place = (offset + at / 2).toString(16).padStart(8, "0");
    lines.push(`${place}  ${pairs.join(" ").padEnd(47)}  ${read.join("")}`);
  }
  return lines.join("\n");
}
