/// What an agent says of its machine, sorted into groups with words for people. What is not known by name is shown all the
/// same: an agent that says more needs no newer console.

import { bytes, words } from "../../../ui/text";

export type Group = "System" | "Network" | "People" | "Agent" | "Other";

export type Fact = { name: string; value: unknown };

type Known = { group: Group; name: string; show?: (value: unknown) => unknown };

const KNOWN: Record<string, Known> = {
  hostname: { group: "System", name: "Host name" },
  os_name: { group: "System", name: "System" },
  os_version: { group: "System", name: "Version" },
  os: { group: "System", name: "Kind" },
  kernel: { group: "System", name: "Kernel" },
  arch: { group: "System", name: "Architecture" },
  memory: {
    group: "System",
    name: "Memory",
    show: (value) => (typeof value === "number" ? bytes(value) : value),
  },
  boot_id: { group: "System", name: "This boot" },
  addresses: { group: "Network", name: "Addresses" },
  interfaces: { group: "Network", name: "Interfaces" },
  logged_on: { group: "People", name: "Logged on" },
  agent_version: { group: "Agent", name: "Version" },
  fingerprint_sources: { group: "Agent", name: "Fingerprint rests on" },
  trust: { group: "Agent", name: "Trust in force" },
  isolation: { group: "Agent", name: "Isolation, as it says" },
};

const ORDER: Group[] = ["System", "Network", "People", "Agent", "Other"];

/** `1.2`, a text, a short list: shown as they are. Anything else is shown raw. */
export function isPlain(value: unknown): value is string | number | boolean | (string | number)[] {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return true;
  return Array.isArray(value) && value.every((each) => typeof each === "string" || typeof each === "number");
}

function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || value === "" || (Array.isArray(value) && value.length === 0);
}

/** The facts by group, in the order in which people look for them. Empty ones are left out. */
export function grouped(facts: unknown): [Group, Fact[]][] {
  const groups = new Map<Group, Fact[]>(ORDER.map((group) => [group, []]));
  if (typeof facts !== "object" || facts === null || Array.isArray(facts)) return [];
  const said = Object.entries(facts);
  const place = Object.keys(KNOWN);
  const rank = (key: string): number => (place.includes(key) ? place.indexOf(key) : place.length);
  said.sort(([a], [b]) => rank(a) - rank(b));
  for (const [key, value] of said) {
    if (isEmpty(value)) continue;
    const known = Object.hasOwn(KNOWN, key) ? KNOWN[key] : undefined;
    const name = known?.name ?? words(key);
    groups.get(known?.group ?? "Other")?.push({ name, value: known?.show ? known.show(value) : value });
  }
  return [...groups].filter(([, list]) => list.length > 0);
}
