/// What is new at the top of a list waits while somebody reads further down, so that nothing moves under their eyes.

import { useEffect, useState } from "react";

import type { Pages } from "../../api/pages";

/** `pages` without what came on top since `isHeld` began, and how many that are. */
export function useHold<Row>(pages: Pages<Row>, id: (row: Row) => string, isHeld: boolean): [Pages<Row>, number] {
  const [top, setTop] = useState<string | undefined>();
  const first = pages.rows[0];
  const now = first === undefined ? undefined : id(first);
  useEffect(() => {
    if (!isHeld) setTop(now);
  }, [isHeld, now]);
  if (!isHeld || top === undefined) return [pages, 0];
  const hidden = pages.rows.findIndex((row) => id(row) === top);
  // Another filter, or what stood on top is gone: nothing to keep in place.
  if (hidden <= 0) return [pages, 0];
  return [{ ...pages, rows: pages.rows.slice(hidden) }, hidden];
}
