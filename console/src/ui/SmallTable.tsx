/// The few rows that a screen has at hand, drawn all at once. What is read page by page is a DataTable.

import { Table, type TableProps } from "@mantine/core";
import type { Key, ReactNode } from "react";

type Column<Row> = {
  title: string;
  cell: (row: Row) => ReactNode;
  /** Pixels. */
  width?: number;
  /** Said when one points at the heading. */
  about?: string | undefined;
  /** The heading is read out, and not shown. */
  isUnseen?: boolean;
};

type Props<Row> = Pick<TableProps, "verticalSpacing" | "fz"> & {
  /** Its name, where no heading above says what it is. */
  label?: string;
  columns: Column<Row>[];
  rows: Row[];
  /** What a row is known by from one drawing to the next. */
  of: (row: Row, index: number) => Key;
  /** Pixels; where there are fewer it is scrolled sideways. Without it that is left to what is around. */
  minWidth?: number;
  scroll?: "native" | "scrollarea";
};

export function SmallTable<Row>({ label, columns, rows, of, minWidth, scroll = "scrollarea", ...look }: Props<Row>) {
  const table = (
    <Table aria-label={label} {...look}>
      <Table.Thead>
        <Table.Tr>
          {columns.map(({ title, width, about, isUnseen = false }, place) => (
            <Table.Th key={place} w={width} title={about} aria-label={isUnseen ? title : undefined}>
              {isUnseen ? null : title}
            </Table.Th>
          ))}
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rows.map((row, index) => (
          <Table.Tr key={of(row, index)}>
            {columns.map(({ cell }, place) => (
              <Table.Td key={place}>{cell(row)}</Table.Td>
            ))}
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
  if (minWidth === undefined) return table;
  return (
    <Table.ScrollContainer minWidth={minWidth} type={scroll}>
      {table}
    </Table.ScrollContainer>
  );
}
