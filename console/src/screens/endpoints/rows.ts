/// The list of endpoints, read in pages and kept true by the news without being read from its beginning each time.

import { useInfiniteQuery, type InfiniteData } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { api, data } from "../../api/client";
import { hear, OWN_NEWS } from "../../api/live";
import { PAGED, usePages, type Pages } from "../../api/pages";
import { queries } from "../../api/query";
import { renewed, type Row } from "./row";

const PATH = "/api/v1/endpoints";
/** Rows of a page. */
const LIMIT = 500;
/** Up to so many pages the list is read again as a whole when something changed. */
const SHORT = 2;
/** Rows brought up to date one by one at a time. */
const FEW = 24;
/** Milliseconds between two readings of the whole. */
const PAUSE = 1500;

type Page = { items: Row[]; next?: string | null; total?: number | null };
type Read = InfiniteData<Page, string | undefined>;

export type Filter = {
  text?: string;
  connected?: boolean;
  isolated?: boolean;
  alarm?: boolean;
  os?: string;
  tag?: string;
  state?: string;
  sort?: string;
};

export type EndpointRows = Pages<Row> & {
  /** Something changed that is not shown. */
  isOld: boolean;
  /** Reads it again. */
  renew: () => void;
};

export function useEndpointRows(filter: Filter): EndpointRows {
  const text = JSON.stringify(filter);
  const key = useMemo(() => ["get", PATH, { view: "row", filter: text }] as const, [text]);
  const [isOld, setOld] = useState(false);
  const answer = useInfiniteQuery<Page, Error, Read, typeof key, string | undefined>({
    ...PAGED,
    queryKey: key,
    queryFn: ({ pageParam, signal }) =>
      data(
        api.GET(PATH, {
          params: {
            query: {
              ...(JSON.parse(text) as Filter),
              view: "row",
              limit: LIMIT,
              ...(pageParam === undefined ? { count: true } : { cursor: pageParam }),
            } as never,
          },
          signal,
        }),
      ) as unknown as Promise<Page>,
    initialPageParam: undefined,
    staleTime: Infinity,
    meta: OWN_NEWS,
  });

  const renew = useCallback(() => {
    setOld(false);
    // What lies far below is read again when one comes there.
    queries.setQueryData<Read>(key, (read) =>
      read === undefined || read.pages.length <= SHORT
        ? read
        : { pages: read.pages.slice(0, 1), pageParams: read.pageParams.slice(0, 1) },
    );
    void queries.invalidateQueries({ queryKey: key, exact: true });
  }, [key]);

  // While nobody looked nobody listened.
  useEffect(() => {
    if (queries.getQueryState(key)?.data !== undefined) renew();
  }, [key, renew]);

  useNews(key, renew, setOld);
  const pages = usePages(answer);
  return { ...pages, isOld, renew };
}

function useNews(key: readonly unknown[], renew: () => void, setOld: (isOld: boolean) => void): void {
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => {
    const stop = hear(({ paths, ids, all }) => {
      if (!all && !paths.has(PATH)) return;
      const read = queries.getQueryData<Read>(key);
      if (read === undefined) return;
      if (all || read.pages.length <= SHORT) {
        timer.current ??= window.setTimeout(() => {
          timer.current = undefined;
          renew();
        }, PAUSE);
        return;
      }
      void mend(key, ids).then((isWhole) => {
        if (!isWhole) setOld(true);
      });
    });
    return () => {
      stop();
      window.clearTimeout(timer.current);
      timer.current = undefined;
    };
  }, [key, renew, setOld]);
}

/** Brings the rows of `ids` up to date; `false` where the list may hold others now. */
async function mend(key: readonly unknown[], ids: ReadonlySet<string>): Promise<boolean> {
  const found = new Set<string>();
  for (const page of queries.getQueryData<Read>(key)?.pages ?? []) {
    for (const row of page.items) if (ids.has(row.id)) found.add(row.id);
  }
  const wanted = [...found].slice(0, FEW);
  const fresh = await Promise.allSettled(
    wanted.map((id) => data(api.GET("/api/v1/endpoints/{id}", { params: { path: { id } } }))),
  );
  const now = new Map(
    fresh.flatMap((each) => (each.status === "fulfilled" && each.value ? [[each.value.id, each.value] as const] : [])),
  );
  queries.setQueryData<Read>(key, (read) =>
    read === undefined
      ? read
      : {
          ...read,
          pages: read.pages.map((page) =>
            page.items.some((row) => now.has(row.id))
              ? {
                  ...page,
                  items: page.items.map((row) => {
                    const endpoint = now.get(row.id);
                    return endpoint === undefined ? row : renewed(row, endpoint);
                  }),
                }
              : page,
          ),
        },
  );
  return wanted.length === ids.size && now.size === wanted.length;
}
