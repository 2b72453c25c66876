/// The address holds the state of a screen, so that every state can be linked: filters, sorting, an open tab.

import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

/** What stands behind the question mark, as plain words. */
export type Search = Record<string, string | undefined>;

/** `?a=b` to and from plain strings: an address that people can read and write. */
export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text));
}

export function writeSearch(search: Record<string, unknown>): string {
  const pairs = Object.entries(search).filter(
    (pair): pair is [string, string] => typeof pair[1] === "string" && pair[1] !== "",
  );
  const text = new URLSearchParams(pairs).toString();
  return text === "" ? "" : `?${text}`;
}

/** The words of the address, and how to change some of them; one that is empty or `undefined` goes away. */
export function useFilters(): [Search, (change: Search) => void] {
  const search: Search = useSearch({ strict: false });
  const navigate = useNavigate();
  const set = useCallback(
    (change: Search) => {
      void navigate({ to: ".", replace: true, search: ((before: Search) => ({ ...before, ...change })) as never });
    },
    [navigate],
  );
  return [search, set];
}
