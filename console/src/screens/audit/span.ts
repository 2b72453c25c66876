/// Spans of time in the address: `1h`, `7d` before now, or a moment.

export const PRESETS = [
  { value: "1h", label: "The last hour" },
  { value: "1d", label: "The last day" },
  { value: "7d", label: "The last week" },
  { value: "30d", label: "The last 30 days" },
];

const UNITS: Record<string, number> = { h: 3_600_000, d: 86_400_000 };

/** The moment as the API takes it. One that is counted from now is cut to the minute, so that a list is not new each second. */
export function moment(text: string | undefined, now: number): string | undefined {
  if (text === undefined || text === "") return undefined;
  const found = /^(\d{1,4})([hd])$/.exec(text);
  if (found !== null) {
    const before = now - Number(found[1]) * (UNITS[found[2] ?? ""] ?? 0);
    return new Date(Math.floor(before / 60_000) * 60_000).toISOString();
  }
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}

/** For a field `datetime-local`, in the viewer's zone. */
export function toField(text: string | undefined): string {
  const at = text === undefined ? Number.NaN : Date.parse(text);
  if (Number.isNaN(at)) return "";
  return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function fromField(text: string): string | undefined {
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}
