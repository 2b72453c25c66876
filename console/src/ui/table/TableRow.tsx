/// A row of a table, cheap enough to scroll through tens of thousands.

import { memo, useLayoutEffect, useRef, type ReactNode } from "react";

import type { Column } from "./column";
import classes from "../DataTable.module.css";

/** Pixels. */
export const HEIGHT = 44;

const drawn = `${classes.row ?? ""} ${classes.drawn ?? ""}`;

/** A row that is not read yet. */
export function UnreadRow({ index, start }: { index: number; start: number }) {
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      className={drawn}
      style={{ height: HEIGHT, transform: `translateY(${String(start)}px)` }}
    >
      <div role="cell" className={`${classes.cell ?? ""} ${classes.unread ?? ""}`}>
        …
      </div>
    </div>
  );
}

type RowProps<Row> = {
  row: Row;
  rowId: string;
  to: string | undefined;
  name: string;
  columns: Column<Row>[];
  tracks: string;
  index: number;
  start: number;
  toggle: ((id: string) => void) | undefined;
  isSelected: boolean;
  isCurrent: boolean;
};

/** A row that is read. Plain elements: while one scrolls, dozens are made in a frame, and each component of the library costs. */
export const TableRow = memo(function TableRow<Row>(props: RowProps<Row>) {
  const { row, rowId, to, name, columns, tracks, index, start, toggle, isSelected, isCurrent } = props;
  const element = useRef<HTMLDivElement>(null);
  // The focus stays with the row that had it, and does not come to another that takes over its elements.
  useLayoutEffect(() => {
    const focused = document.activeElement;
    if (focused instanceof HTMLElement && element.current?.contains(focused)) focused.blur();
  }, [rowId]);
  return (
    <div
      ref={element}
      role="row"
      aria-rowindex={index + 2}
      data-index={index}
      data-selected={isSelected ? true : undefined}
      aria-current={isCurrent ? true : undefined}
      className={drawn}
      style={{ gridTemplateColumns: tracks, height: HEIGHT, transform: `translateY(${String(start)}px)` }}
    >
      {toggle ? (
        <div role="cell" className={classes.pick}>
          <label>
            <input
              type="checkbox"
              aria-label={`Select ${name}`}
              checked={isSelected}
              onChange={() => {
                toggle(rowId);
              }}
            />
          </label>
        </div>
      ) : null}
      {columns.map((column, place) => (
        <div role="cell" key={column.id} className={classes.cell}>
          {place === 0 && to !== undefined ? (
            <a href={to} className={classes.link} data-open>
              {column.cell(row)}
            </a>
          ) : (
            column.cell(row)
          )}
        </div>
      ))}
    </div>
  );
}) as <Row>(props: RowProps<Row>) => ReactNode;
