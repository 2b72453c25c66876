/// How answers are kept: fresh by live news, tried again only where that can help.

import { type Query, QueryCache, QueryClient } from "@tanstack/react-query";

import { know, onLeft } from "./page";
import { asApiError } from "./problem";
import type { components } from "./schema";

const ME = ["get", "/api/v1/me"];

/** The session ended: what it showed goes at once, the frame asks who is signed in, and leads to the sign-in. */
export function signedOut(): void {
  void queries.resetQueries({ queryKey: ME });
}

export const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onSuccess: (answer, { queryKey }) => {
      if (queryKey[1] !== ME[1]) return;
      const me = answer as components["schemas"]["Me"];
      know({ person: me.id, tenant: me.tenant.id });
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      gcTime: 5 * 60_000,
      refetchOnWindowFocus: false,
      // Only what may pass by itself: the network, a busy server.
      retry: (count, error) => {
        const { status } = asApiError(error);
        return count < 3 && (status === 0 || status === 502 || status === 503 || status === 504);
      },
    },
    mutations: { retry: false },
  },
});

onLeft(signedOut);

/**
 * Reads answers again. One that was asked for a moment ago and has not come yet is not asked for anew by that, and may be of
 * before what changed: it is read again when it has come.
 */
export async function readAgain(client: QueryClient, which: (query: Query) => boolean): Promise<void> {
  const those = new Set(client.getQueryCache().findAll({ predicate: which }));
  const first = [...those].filter(({ state }) => state.data === undefined && state.fetchStatus === "fetching");
  await client.invalidateQueries({ predicate: (query) => those.has(query) });
  if (first.length > 0) await client.invalidateQueries({ predicate: (query) => first.includes(query) });
}

/** Reads again every answer whose path begins so. */
export function refresh(...prefixes: string[]): Promise<void> {
  return readAgain(
    queries,
    ({ queryKey: [, path] }) => typeof path === "string" && prefixes.some((prefix) => path.startsWith(prefix)),
  );
}
