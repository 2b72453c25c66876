/// One incident as it is read, with the tag that changes are made on.

import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { $api, api } from "../../../api/client";
import { tagged, type Tagged } from "../../../api/tagged";
import type { WholeIncident } from "../types";

/** By its id or its number. */
export function useIncident(id: string) {
  const init = { params: { path: { id } } };
  return useQuery<Tagged<WholeIncident>>({
    queryKey: ["get", "/api/v1/incidents/{id}", init],
    queryFn: ({ signal }) => tagged(api.GET("/api/v1/incidents/{id}", { ...init, signal })),
  });
}

/** Its processes and key events; of one chain, where it is named. */
export function useChain(id: string, chain: string | undefined, isWanted = true) {
  const query = chain === undefined ? {} : { chain };
  return $api.useQuery(
    "get",
    "/api/v1/incidents/{id}/chain",
    { params: { path: { id }, query } },
    { placeholderData: keepPreviousData, enabled: isWanted },
  );
}
