/// What every way in ends with: nothing of whoever was here before stays, and the console opens where it was left.

import { useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";

import { forget } from "../../api/page";
import { queries } from "../../api/query";
import { parseSearch } from "../../app/url";

/** Goes on to a path of the console. */
export function useEnter(): (path: string) => Promise<void> {
  const navigate = useNavigate();
  return useCallback(
    async (path: string) => {
      forget();
      queries.clear();
      const url = new URL(path, window.location.origin);
      await navigate({
        to: url.pathname,
        search: parseSearch(url.search) as never,
        hash: url.hash.slice(1),
        replace: true,
      });
    },
    [navigate],
  );
}
