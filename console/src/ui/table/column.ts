/// What a column of a table is.

import type { ReactNode } from "react";

export type Column<Row> = {
  id: string;
  title: string;
  /** A grid track: `2fr`, `140px`. */
  width: string;
  cell: (row: Row) => ReactNode;
  /** Not shown until chosen. */
  isExtra?: boolean;
  /** Shown on a phone too. */
  isNarrow?: boolean;
  /** What `sort` is set to; `-` in front where descending. */
  sort?: string;
};
