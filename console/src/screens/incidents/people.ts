/// Who an incident can be assigned to, as far as one may know.

import { $api } from "../../api/client";
import { holds, useMe } from "../../api/me";
import type { Named } from "./types";

/** Active people of the tenant; oneself alone where one may not read the others. */
export function usePeople(): Named[] {
  const me = useMe();
  const { data } = $api.useQuery(
    "get",
    "/api/v1/people",
    { params: { query: { limit: 500 } } },
    { enabled: holds(me, "person.read"), staleTime: 60_000 },
  );
  if (data === undefined) return [{ id: me.id, name: me.name }];
  return data.items.filter(({ state }) => state === "active").map(({ id, name }) => ({ id, name }));
}
