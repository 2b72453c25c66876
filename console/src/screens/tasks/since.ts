/// Spans of time in the address: `1h`, `1d`, `7d`, or a moment.

const SPANS: Record<string, number> = { h: 3_600_000, d: 86_400_000 };

export const PRESETS = [
  { value: "1h", label: "Last hour" },
  { value: "1d", label: "Last day" },
  { value: "7d", label: "Last week" },
  { value: "30d", label: "Last 30 days" },
];

/** The moment that `text` stands for, as the API takes it; to the minute, so that a list is not read anew each second. */
export function moment(text: string | undefined, now: number): string | undefined {
  if (text === undefined || text === "") return undefined;
  const found = /^(\d{1,4})([hd])$/.exec(text);
  const at = found === null ? Date.parse(text) : now - Number(found[1]) * (SPANS[found[2] ?? ""] ?? 0);
  if (Number.isNaN(at)) return undefined;
  return new Date(found === null ? at : Math.floor(at / 60_000) * 60_000).toISOString();
}

/** A moment for a field of the kind `datetime-local`. */
export function toField(text: string | undefined): string {
  const at = text === undefined ? NaN : Date.parse(text);
  if (Number.isNaN(at)) return "";
  const date = new Date(at);
  return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
