/// Changing an incident: one request each, made on what was seen.

import { api } from "../../api/client";
import { refresh } from "../../api/query";

export type Change = {
  title?: string;
  severity?: string;
  state?: string;
  resolution?: string;
  /** Id of a person, `me`, or `null` for nobody. */
  assignee?: string | null;
};

/** `tag` is that of what was seen; without one it is changed as it stands. */
export async function changeIncident(id: string, change: Change, tag = "*"): Promise<void> {
  try {
    await api.PATCH("/api/v1/incidents/{id}", {
      params: { path: { id }, header: { "If-Match": tag } },
      body: change,
    });
  } finally {
    // Also after a refusal: somebody else may have changed it meanwhile.
    void refresh("/api/v1/incidents", "/api/v1/detections", "/api/v1/audit");
  }
}

/** Changes several, one after the other; what became of each. */
export async function changeMany(
  ids: readonly string[],
  change: Change,
): Promise<{ done: number; failed: { id: string; error: unknown }[] }> {
  const failed: { id: string; error: unknown }[] = [];
  for (const id of ids) {
    await changeIncident(id, change).catch((error: unknown) => {
      failed.push({ id, error });
    });
  }
  return { done: ids.length - failed.length, failed };
}
