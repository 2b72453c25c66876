/// The rows that are selected, also when a filter or a search does not list them any more.

import { useMemo, useState } from "react";

/** Each of `ids` with its row as it was seen last. */
export function chosenOf<Row>(
  ids: ReadonlySet<string>,
  rows: readonly Row[],
  known: ReadonlyMap<string, Row>,
  id: (row: Row) => string,
): ReadonlyMap<string, Row> {
  const found = new Map<string, Row>();
  if (ids.size === 0) return found;
  for (const row of rows) if (ids.has(id(row))) found.set(id(row), row);
  for (const one of ids) {
    const before = known.get(one);
    if (before !== undefined && !found.has(one)) found.set(one, before);
  }
  return found;
}

/** `id` stays the same function from one drawing to the next. */
export function useChosen<Row>(
  ids: ReadonlySet<string>,
  rows: readonly Row[],
  id: (row: Row) => string,
): ReadonlyMap<string, Row> {
  const [known, setKnown] = useState<ReadonlyMap<string, Row>>(new Map());
  const chosen = useMemo(() => chosenOf(ids, rows, known, id), [ids, rows, known, id]);
  if ([...chosen].some(([one, row]) => known.get(one) !== row)) setKnown(chosen);
  return chosen;
}

/** What is selected of a list, for a table and for what is done with it. */
export function useSelection<Row>(rows: readonly Row[], id: (row: Row) => string) {
  const [ids, change] = useState<ReadonlySet<string>>(new Set());
  const chosen = useChosen(ids, rows, id);
  return {
    /** As a table takes it. */
    selection: { ids, change },
    chosen: [...chosen.values()],
    none: (): void => {
      change(new Set());
    },
  };
}
