/// Endpoints as far as the dialog and the palette know them: found by a search, or read by their id.

import { keepPreviousData, useQueries } from "@tanstack/react-query";
import { useMemo } from "react";

import { $api } from "../api/client";

export type Known = {
  id: string;
  name: string;
  connected: boolean;
  isolated: boolean;
  addresses: string[];
  loggedOn: string[];
};

const FOUND = 12;
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Active endpoints with `text` in what people know of them; `isOld` while the rows are those of another text. */
export function useEndpointSearch(text: string, isWanted: boolean, limit = FOUND) {
  const query = { limit, state: "active", view: "row" as const, sort: "name", ...(text === "" ? {} : { text }) };
  const answer = $api.useQuery(
    "get",
    "/api/v1/endpoints",
    { params: { query } },
    { enabled: isWanted, placeholderData: keepPreviousData },
  );
  const rows = useMemo(() => (answer.data?.items ?? []).map((row) => knownOf(row as Row)), [answer.data]);
  return {
    rows,
    error: answer.error,
    isPending: answer.isPending,
    isFetching: answer.isFetching,
    isOld: answer.isPlaceholderData,
  };
}

type Row = {
  id: string;
  name: string;
  connected: boolean;
  isolated?: boolean;
  isolation?: unknown;
  addresses?: string[];
  logged_on?: string[];
  facts?: { addresses?: unknown; logged_on?: unknown };
};

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

/** Both forms of an endpoint: the row of a list, and the whole. */
function knownOf(row: Row): Known {
  return {
    id: row.id,
    name: row.name,
    connected: row.connected,
    isolated: row.isolated ?? (row.isolation !== null && row.isolation !== undefined),
    addresses: row.addresses ?? strings(row.facts?.addresses),
    loggedOn: row.logged_on ?? strings(row.facts?.logged_on),
  };
}

/** What is known of chosen endpoints, by their id. */
export function useKnown(chosen: string[]): ReadonlyMap<string, Known> {
  return useQueries({
    queries: chosen
      .filter((id) => ID.test(id))
      .map((id) => $api.queryOptions("get", "/api/v1/endpoints/{id}", { params: { path: { id } } })),
    combine: (answers) =>
      new Map(
        answers.flatMap(({ data }) => {
          if (data === undefined) return [];
          const known = knownOf(data as Row);
          return [[known.id, known] as const];
        }),
      ),
  });
}
