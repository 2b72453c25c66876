/// By what both incidents and events are filtered.

import { ID, someOf } from "../../app/rules";
import type { Choice } from "../../ui/Filters";
import { words } from "../../ui/text";
import { isMoment } from "../tasks/since";
import { SEVERITIES } from "./words";

/** The words of the address that both understand. */
export const COMMON = {
  severity: someOf(SEVERITIES),
  endpoint: ID,
  technique: (value: string) => /^T\d{4}(\.\d{3})?$/.test(value),
  since: isMoment,
  until: isMoment,
};

/** A choice of several values, each told in words. */
export function several(name: string, label: string, values: readonly string[], say = words): Choice {
  return { name, label, isMany: true, options: values.map((value) => ({ value, label: say(value) })), width: 150 };
}

export const SEVERITY: Choice = several("severity", "Severity", SEVERITIES);
