/// News of things that an answer holds without being asked for by their ids: it is read again when one of them changed.

import { useEffect, useRef } from "react";

import { hear } from "../../api/live";

/** Calls `again` when something is heard of any of `ids`, or news were lost. */
export function useNewsOf(ids: readonly string[], again: () => void): void {
  const latest = useRef({ ids, again });
  useEffect(() => {
    latest.current = { ids, again };
  });
  useEffect(
    () =>
      hear((heard) => {
        if (heard.all || latest.current.ids.some((id) => heard.ids.has(id))) latest.current.again();
      }),
    [],
  );
}
