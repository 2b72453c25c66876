/// Spans of time in the address: `1h`, `1d`, `7d` before now, or a moment.

const SPANS: Record<string, number> = { h: 3_600_000, d: 86_400_000 };

export const PRESETS = [
  { value: "1h", label: "Last hour" },
  { value: "1d", label: "Last day" },
  { value: "7d", label: "Last week" },
  { value: "30d", label: "Last 30 days" },
];

/** The moment that `text` stands for, as the API takes it; one that is counted from now is cut to the minute, so that a
 * list is not read anew each second. `undefined` where it is not understood. */
export function moment(text: string | undefined, now: number): string | undefined {
  if (text === undefined || text === "") return undefined;
  const span = /^(\d{1,4})([hd])$/.exec(text);
  if (span !== null) {
    const before = now - Number(span[1]) * (SPANS[span[2] ?? ""] ?? 0);
    return new Date(Math.floor(before / 60_000) * 60_000).toISOString();
  }
  // Browsers read a date out of many a text that is none.
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}

export function isMoment(text: string): boolean {
  return moment(text, Date.now()) !== undefined;
}

/** A moment for a field of the kind `datetime-local`, in the viewer's zone. */
export function toField(text: string | undefined): string {
  const at = text === undefined ? NaN : Date.parse(text);
  if (Number.isNaN(at)) return "";
  return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function fromField(text: string): string | undefined {
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}
