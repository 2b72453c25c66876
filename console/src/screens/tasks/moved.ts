/// What an outcome says lies in the vault of its endpoint.

import { isRecord } from "./schema";
import type { Command, Task } from "./words";

type Moved = { vault: string; path: string };

/** Whatever an outcome lists with an id of the vault. */
export function movedBy(outcome: unknown): Moved[] {
  if (!isRecord(outcome)) return [];
  return Object.values(outcome)
    .filter(Array.isArray)
    .flat()
    .filter(isRecord)
    .flatMap(({ vault_id, path }) =>
      typeof vault_id === "string" && typeof path === "string" ? [{ vault: vault_id, path }] : [],
    );
}

/** Actions that change something only where this parameter asks for it. */
const ASKED_BY: Record<string, string> = { "endpoint.scan_malware": "quarantine" };

/** Whether a task that could be taken back piece by piece left no piece: it was not asked to change anything, or every outcome
 * is here and names nothing. What did not say how it ended may have left one. */
export function movedNothing(
  task: Pick<Task, "action" | "params" | "target_count">,
  commands: Pick<Command, "outcome">[] = [],
): boolean {
  const asked = ASKED_BY[task.action];
  if (asked !== undefined && (task.params as Record<string, unknown>)[asked] !== true) return true;
  return (
    commands.length >= Math.max(task.target_count, 1) &&
    commands.every(({ outcome }) => isRecord(outcome) && movedBy(outcome).length === 0)
  );
}
