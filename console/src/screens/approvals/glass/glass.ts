/// Broken glass as the screens read it.

import { $api, type Schemas } from "../../../api/client";

export type Glass = Schemas["BreakGlass"];

/** The newest, with those that go on. News tell of what people do; read again each minute, since time ends it silently. */
export function useGlass() {
  return $api.useQuery(
    "get",
    "/api/v1/break-glass",
    { params: { query: { limit: 100 } } },
    { refetchInterval: 60_000 },
  );
}
