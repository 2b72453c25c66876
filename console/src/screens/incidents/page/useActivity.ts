/// One activity event with all that is known of it, and how what was asked for on it stands.

import { $api } from "../../../api/client";
import { useNewsOf } from "../useNewsOf";

export function useActivity(incident: string, event: { chain: string; activity: number } | undefined) {
  const answer = $api.useQuery(
    "get",
    "/api/v1/incidents/{id}/activity/{chain}/{activity}",
    { params: { path: { id: incident, chain: event?.chain ?? "", activity: event?.activity ?? 0 } } },
    { enabled: event !== undefined },
  );
  useNewsOf(
    (answer.data?.tasks ?? []).map(({ id }) => id),
    () => void answer.refetch(),
  );
  return answer;
}
