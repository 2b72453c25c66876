/// Names and values, one under the other.

import { Box } from "@mantine/core";
import type { ReactNode } from "react";

import classes from "./Facts.module.css";

/** Rows without a value are left out. */
export function Facts({ rows }: { rows: [name: string, value: ReactNode][] }) {
  return (
    <Box component="dl" className={classes.list}>
      {rows
        .filter(([, value]) => value !== undefined && value !== null && value !== "")
        .map(([name, value]) => (
          <Box key={name} className={classes.row}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </Box>
        ))}
    </Box>
  );
}
