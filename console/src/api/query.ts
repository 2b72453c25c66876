/// How answers are kept: fresh by live news, tried again only where that can help.

import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";

import { asApiError } from "./problem";

const ME = ["get", "/api/v1/me"];

/** The session ended: the frame asks who is signed in, and leads to the sign-in. */
function leaveIfSignedOut(error: unknown, key?: readonly unknown[]): void {
  if (asApiError(error).status === 401 && key?.[1] !== ME[1]) void queries.invalidateQueries({ queryKey: ME });
}

export const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, { queryKey }) => {
      leaveIfSignedOut(error, queryKey);
    },
  }),
  mutationCache: new MutationCache({
    onError: (error) => {
      leaveIfSignedOut(error);
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

/** Reads again every answer whose path begins so. */
export function refresh(...prefixes: string[]): Promise<void> {
  return queries.invalidateQueries({
    predicate: ({ queryKey: [, path] }) =>
      typeof path === "string" && prefixes.some((prefix) => path.startsWith(prefix)),
  });
}
