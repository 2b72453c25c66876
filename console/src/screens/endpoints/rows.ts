/// The list of endpoints, read in pages and kept true by the news without being read from its beginning each time.

import { keepPreviousData, useInfiniteQuery, type InfiniteData } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { api, data } from "../../api/client";
import { hear, OWN_NEWS, type Standing } from "../../api/live";
import { PAGED, usePages, type Pages } from "../../api/pages";
import { queries } from "../../api/query";
import { renewed, type Endpoint, type Row } from "./row";

const PATH = "/api/v1/endpoints";
/** Rows of the first page, which is to be there at once, and of those that are read on. */
const FIRST = 200;
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
  /** Its filter and order. */
  of: string;
  /** Reads it again. */
  renew: () => void;
};

const nothing = (): void => undefined;

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
              ...(pageParam === undefined ? { limit: FIRST, count: true } : { limit: LIMIT, cursor: pageParam }),
            },
          },
          signal,
        }),
        // The document says that the answer is of one of two views; `view` chose.
      ) as unknown as Promise<Page>,
    initialPageParam: undefined,
    staleTime: Infinity,
    // Tens of thousands of rows are not kept for a filter that may come back.
    gcTime: 0,
    // What is there stays until the new list comes.
    placeholderData: keepPreviousData,
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
  const more = answer.isPlaceholderData ? nothing : pages.more;
  return { ...pages, more, of: text, isOld, renew };
}

function useNews(key: readonly unknown[], renew: () => void, setOld: (isOld: boolean) => void): void {
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => {
    const stop = hear(({ paths, endpoints, all }) => {
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
      const { changed, isWhole } = tell(key, endpoints);
      void mend(key, changed).then((isDone) => {
        if (!isDone || !isWhole) setOld(true);
      });
    });
    return () => {
      stop();
      window.clearTimeout(timer.current);
      timer.current = undefined;
    };
  }, [key, renew, setOld]);
}

/** Puts in how endpoints stand by the news, and gives those of which something else must have changed. */
function tell(key: readonly unknown[], endpoints: ReadonlyMap<string, Standing>) {
  const changed = new Set<string>();
  const unknown = new Set(endpoints.keys());
  let isEnd = true;
  queries.setQueryData<Read>(key, (read) => {
    if (read === undefined) return read;
    isEnd = (read.pages.at(-1)?.next ?? null) === null;
    return withRows(read, (row) => {
      const now = endpoints.get(row.id);
      if (now === undefined) return row;
      unknown.delete(row.id);
      const next: Row = {
        ...row,
        connected: now.connected ?? row.connected,
        state: now.state ?? row.state,
        isolated: now.isolated ?? row.isolated,
        alarm: now.alarm === undefined ? (row.alarm ?? null) : now.alarm,
      };
      const isSame =
        next.connected === row.connected &&
        next.state === row.state &&
        next.isolated === row.isolated &&
        next.alarm === (row.alarm ?? null);
      if (isSame) changed.add(row.id);
      return isSame ? row : next;
    });
  });
  // What is not read yet will be read as it is then.
  return { changed, isWhole: !isEnd || unknown.size === 0 };
}

/** `read` with some rows exchanged; pages in which none was stay the same object. */
function withRows(read: Read, exchange: (row: Row) => Row): Read {
  const pages = read.pages.map((page) => {
    const items = page.items.map(exchange);
    return items.every((row, index) => row === page.items[index]) ? page : { ...page, items };
  });
  return { ...read, pages };
}

/** Reads the rows of `ids` again; `false` where some were left. */
async function mend(key: readonly unknown[], ids: ReadonlySet<string>): Promise<boolean> {
  const wanted = [...ids].slice(0, FEW);
  const fresh = await Promise.allSettled(
    wanted.map((id) => data(api.GET("/api/v1/endpoints/{id}", { params: { path: { id } } }))),
  );
  const now = new Map<string, Endpoint>();
  for (const each of fresh) if (each.status === "fulfilled" && each.value) now.set(each.value.id, each.value);
  queries.setQueryData<Read>(key, (read) =>
    read === undefined || now.size === 0
      ? read
      : withRows(read, (row) => {
          const endpoint = now.get(row.id);
          return endpoint === undefined ? row : renewed(row, endpoint);
        }),
  );
  return now.size === ids.size;
}
