import { expect, test } from "vitest";

import { isMoment, moment } from "./since";

const NOW = Date.parse("2026-11-22T18:55:31Z");

test("a span is counted from now, to the minute", () => {
  expect(moment("1h", NOW)).toBe("2026-11-22T17:55:00.000Z");
  expect(moment("7d", NOW)).toBe("2026-11-15T18:55:00.000Z");
});

test("a moment is what begins as a date", () => {
  expect(moment("2026-11-01T00:00:00Z", NOW)).toBe("2026-11-01T00:00:00.000Z");
  for (const text of ["zzz", "99999d", "1w", "db 1", "-1d", "2026-13-45"]) expect(isMoment(text), text).toBe(false);
});
