/// Which of the changes that stand belong together: by the reference that their reasons name, else by the reason itself.

import type { Schemas } from "../../api/client";

type Task = Schemas["Task"];

export type Group = { title: string; isReference: boolean; tasks: Task[] };

/** `INC-2041`, `SOC-77`: letters, a dash, a number, as trackers write it. */
const REFERENCE = /\b[A-Z][A-Z0-9]{1,9}-\d{1,9}\b/;

/** The reference that a reason names. */
export function reference(reason: string): string | undefined {
  return REFERENCE.exec(reason)?.[0];
}

/** In the order of the newest task of each. */
export function group(tasks: Task[]): Group[] {
  const groups = new Map<string, Group>();
  for (const task of tasks) {
    const found = reference(task.reason);
    const title = found ?? task.reason.trim();
    const known = groups.get(title);
    if (known === undefined) groups.set(title, { title, isReference: found !== undefined, tasks: [task] });
    else known.tasks.push(task);
  }
  return [...groups.values()];
}
