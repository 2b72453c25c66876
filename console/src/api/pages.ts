/// Lists that come in pages: one shape for every table.

import type { UseInfiniteQueryResult, InfiniteData } from "@tanstack/react-query";
import { useMemo } from "react";

type Page<Row> = { items: Row[]; next?: string | null; total?: number | null };

/** What a table needs of a list. */
export type Pages<Row> = {
  rows: Row[];
  /** How many there are in all, where the server counted. */
  total: number | undefined;
  error: unknown;
  isFirst: boolean;
  isMore: boolean;
  isFetching: boolean;
  more: () => void;
  again: () => void;
};

/** For `$api.useInfiniteQuery(…, PAGED)`. Long lists are not compared with what was there before: that grows with them. */
export const PAGED = {
  structuralSharing: false,
  pageParamName: "cursor",
  // `undefined` would be sent as 0.
  initialPageParam: null as unknown as string,
  getNextPageParam: (page: unknown) => (page as Page<unknown>).next ?? undefined,
} as const;

/** The pages of a list as one. */
export function usePages<Row>(answer: UseInfiniteQueryResult<InfiniteData<Page<Row>>, unknown>): Pages<Row> {
  const { data, error, isPending, hasNextPage, isFetchingNextPage, isFetching, fetchNextPage, refetch } = answer;
  const rows = useMemo(() => (data === undefined ? [] : data.pages.flatMap((page) => page.items)), [data]);
  return {
    rows,
    total: data?.pages[0]?.total ?? undefined,
    error,
    isFirst: isPending,
    isMore: hasNextPage,
    isFetching,
    more: () => {
      if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
    },
    again: () => {
      void refetch();
    },
  };
}
