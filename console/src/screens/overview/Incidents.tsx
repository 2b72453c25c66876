/// What was detected and is not closed. Where there is some, what draws it is read: most days begin without.

import { Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";

import type { Schemas } from "../../api/client";
import { Calm, Part } from "./Part";

const OpenIncidents = lazy(() => import("./OpenIncidents"));

/** The states of incidents that are not closed, and the list of these. */
export const OPEN = "open,in_progress";
export const LIST = `/incidents?state=${OPEN}&sort=-severity`;

/** `counts` by severity, the worst first; nothing is drawn for who may not read incidents. */
export function Incidents({ counts }: { counts: Schemas["SeverityCount"][] | undefined }) {
  if (counts === undefined) return null;
  return (
    <Part title="Incidents that are open" all={{ to: LIST, says: "All of them" }}>
      {counts.length === 0 ? (
        <Calm>Nothing that was detected is open. What the protection of endpoints finds appears here at once.</Calm>
      ) : (
        <Suspense fallback={<Skeleton h={120} />}>
          <OpenIncidents counts={counts} />
        </Suspense>
      )}
    </Part>
  );
}
