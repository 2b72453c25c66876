/// What was detected, as far as it is part of this incident.

import { EventTable } from "../../events/EventTable";
import type { WholeIncident } from "../types";

export default function DetectionsTab({ incident }: { incident: WholeIncident }) {
  return <EventTable incident={incident} />;
}
