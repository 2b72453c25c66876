/// Names of ATT&CK's techniques and tactics, from the table that the product carries.

import table from "../../../../packs/attack/linux.json";

export type Tactic = { id: string; name: string };

const KNOWN = table.techniques as unknown as Record<string, [name: string, tactics: string[]]>;

/** In the order of an intrusion. */
export const TACTICS: Tactic[] = table.tactics.map(([id = "", name = ""]) => ({ id, name }));
export const VERSION: string = table.attack_version;
export const LICENCE: string = table.licence;

/** Every technique of the table. */
export const ALL: readonly string[] = Object.keys(KNOWN);

function known(id: string): [name: string, tactics: string[]] | undefined {
  return Object.hasOwn(KNOWN, id) ? KNOWN[id] : undefined;
}

/** `Command and Scripting Interpreter: Unix Shell`; a part that is not known goes by its whole. */
export function techniqueName(id: string): string | undefined {
  const whole = known(id.split(".")[0] ?? "");
  const own = known(id);
  if (own === undefined) return whole?.[0];
  return id.includes(".") && whole !== undefined ? `${whole[0]}: ${own[0]}` : own[0];
}

/** Ids of its tactics; none where it is not known. */
export function tacticsOf(id: string): string[] {
  return (known(id) ?? known(id.split(".")[0] ?? ""))?.[1] ?? [];
}

export type Seen = { id: string; events: number; severity: string | undefined };

/** The techniques under their tactics, in the order of an intrusion; those of no known tactic last. */
export function byTactic(seen: readonly Seen[]): { tactic: Tactic; techniques: Seen[] }[] {
  const columns = TACTICS.map((tactic) => ({
    tactic,
    techniques: seen.filter((technique) => tacticsOf(technique.id).includes(tactic.id)),
  }));
  const rest = seen.filter((technique) => tacticsOf(technique.id).length === 0);
  return [...columns, { tactic: { id: "other", name: "Not in the table" }, techniques: rest }].filter(
    ({ techniques }) => techniques.length > 0,
  );
}
