/// The table of every list: only what is seen is drawn, more is read when its end comes near, keys move through it.

import { Box, Checkbox, Group, Loader, Text, UnstyledButton } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import {
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type ReactNode,
  type RefObject,
} from "react";

import type { Pages } from "../api/pages";
import { useSetting } from "../api/settings";
import { Failure } from "./Failure";
import { ColumnMenu } from "./table/ColumnMenu";
import type { Column } from "./table/column";
import { useKeys, useOpen } from "./table/keys";
import { HEIGHT, TableRow, UnreadRow } from "./table/TableRow";
import { count } from "./text";
import classes from "./DataTable.module.css";

export type { Column } from "./table/column";

export type Selection = { ids: ReadonlySet<string>; change: (ids: Set<string>) => void };

export type TableProps<Row> = {
  /** What the rows are, in the plural: the name of the table, and of what is remembered of it. */
  label: string;
  columns: Column<Row>[];
  pages: Pages<Row>;
  id: (row: Row) => string;
  /** Where a row leads. */
  to?: (row: Row) => string;
  name?: (row: Row) => string;
  selection?: Selection;
  /** The row whose details stand beside the table. */
  current?: string;
  sort?: string | undefined;
  onSort?: (sort: string) => void;
  /** What is listed, by its filters and order: another list begins at its top. */
  of?: string;
  empty: ReactNode;
  /** Beside the choice of columns: export, saved views. */
  tools?: ReactNode;
};

/** Pixels of the head, with its border and those of the frame. */
const HEAD = 37;
/** Pixels of the least frame, and those that stay free below it. */
const LEAST = 320;
const BELOW = 18;
/** Rows before the end at which more are read. */
const AHEAD = 60;

export function DataTable<Row>(props: TableProps<Row>) {
  const { label, columns, pages, id, to, name, selection, current, sort, onSort, of, empty, tools } = props;
  const isNarrow = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const [chosen, choose] = useSetting<string[] | null>(`columns.${label.toLowerCase().replaceAll(" ", "-")}`, null);
  const wanted = useMemo(
    () => columns.filter((column) => (chosen === null ? column.isExtra !== true : chosen.includes(column.id))),
    [columns, chosen],
  );
  // Rows are drawn again only when what they show changes, so what they are given stays the same object.
  const shown = useMemo(
    () => (isNarrow ? columns.filter((column) => column.isNarrow === true) : wanted),
    [isNarrow, columns, wanted],
  );
  const tracks = `${selection ? "40px " : ""}${shown.map((column) => (isNarrow ? narrow(column.width) : column.width)).join(" ")}`;

  const frame = useRef<HTMLDivElement>(null);
  const room = useRoom(frame);
  const total = Math.max(pages.total ?? 0, pages.rows.length);
  const rows = useVirtualizer({
    count: total,
    getScrollElement: () => frame.current,
    estimateSize: () => HEIGHT,
    overscan: 4,
  });
  useEffect(() => {
    if (frame.current) frame.current.scrollTop = 0;
  }, [of]);
  const drawn = rows.getVirtualItems();
  const last = drawn.at(-1)?.index ?? 0;
  // Rows that leave at one end become those that come at the other: nothing is made while one scrolls.
  const pool = usePool(drawn.length);
  const isShort = pages.isMore && !pages.isFetching && last >= pages.rows.length - AHEAD;
  const more = pages.more;
  useEffect(() => {
    if (isShort) more();
  }, [isShort, more]);

  const latest = useRef(selection);
  useLayoutEffect(() => {
    latest.current = selection;
  });
  const toggle = useCallback((one: string) => {
    if (latest.current) latest.current.change(toggled(latest.current.ids, one));
  }, []);
  const open = useOpen();
  const keys = useKeys(rows.scrollToIndex, pages.rows.length, frame, selection && toggle, open, (index) => {
    const row = pages.rows[index];
    return row === undefined ? undefined : { id: id(row), to: to?.(row) };
  });

  const listed = useMemo(
    () => (selection && selection.ids.size > 0 ? pages.rows.filter((row) => selection.ids.has(id(row))).length : 0),
    [pages.rows, selection, id],
  );

  if (pages.error !== null && pages.rows.length === 0) return <Failure error={pages.error} retry={pages.again} />;
  const isEmpty = !pages.isFirst && pages.rows.length === 0 && !pages.isMore;

  return (
    <Box>
      <Group justify="space-between" mb={6} gap="xs" mih={30}>
        <Text size="sm" c="dimmed" aria-live="polite">
          {pages.isFirst ? "Reading…" : summary(label, pages, selection?.ids.size ?? 0, listed)}
        </Text>
        <Group gap={6}>
          {tools}
          {isNarrow ? null : <ColumnMenu columns={columns} shown={wanted.map((column) => column.id)} choose={choose} />}
        </Group>
      </Group>
      {pages.error !== null ? <Failure error={pages.error} retry={pages.again} mb="sm" /> : null}
      {isEmpty ? (
        empty
      ) : (
        <Box
          ref={frame}
          className={classes.frame}
          style={{ height: pages.isFirst ? room : Math.min(room, HEAD + total * HEIGHT) }}
          onKeyDown={keys}
          onClick={open.click}
          data-testid="rows"
        >
          <Box role="table" aria-label={label} aria-rowcount={total + 1} className={classes.table}>
            <Box role="rowgroup" className={classes.head}>
              <Box role="row" className={classes.row} style={{ gridTemplateColumns: tracks }} aria-rowindex={1}>
                {selection ? <All label={label} rows={pages.rows} id={id} selection={selection} /> : null}
                {shown.map((column) => (
                  <Head key={column.id} column={column} sort={sort} onSort={onSort} />
                ))}
              </Box>
            </Box>
            <div role="rowgroup" style={{ height: rows.getTotalSize(), position: "relative" }}>
              {drawn.map((item) => {
                const row = pages.rows[item.index];
                return row === undefined ? (
                  <UnreadRow key={item.index % pool} index={item.index} start={item.start} />
                ) : (
                  <TableRow
                    key={item.index % pool}
                    row={row}
                    rowId={id(row)}
                    to={to?.(row)}
                    name={name?.(row) ?? id(row)}
                    columns={shown}
                    tracks={tracks}
                    index={item.index}
                    start={item.start}
                    toggle={selection ? toggle : undefined}
                    isSelected={selection?.ids.has(id(row)) ?? false}
                    isCurrent={current !== undefined && current === id(row)}
                  />
                );
              })}
            </div>
          </Box>
          {pages.isFetching && pages.isMore ? (
            <Group justify="center" p={6}>
              <Loader size="xs" aria-label="Reading more" />
            </Group>
          ) : null}
        </Box>
      )}
    </Box>
  );
}

/** Pixels that the frame can take: from where it begins to the end of the window, and never too few. */
export function useRoom(frame: RefObject<HTMLDivElement | null>): number {
  const [room, setRoom] = useState(480);
  useLayoutEffect(() => {
    const measure = (): void => {
      const element = frame.current;
      if (element === null) return;
      const top = element.getBoundingClientRect().top + window.scrollY;
      setRoom(Math.max(LEAST, Math.floor(window.innerHeight - top - BELOW)));
    };
    measure();
    // What stands above can grow and go: a banner, a second line of filters.
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    window.addEventListener("resize", measure);
    return () => {
      observer.disconnect();
      window.removeEventListener("resize", measure);
    };
  }, [frame]);
  return room;
}

/** How many rows are kept: as many as were ever drawn at once. */
function usePool(drawn: number): number {
  const [size, setSize] = useState(drawn);
  if (drawn > size) setSize(drawn);
  return Math.max(size, drawn, 1);
}

/** On a phone a width in pixels stays, so that the cells of all rows stand under each other; the others share the rest. */
function narrow(width: string): string {
  return width.endsWith("px") ? width : `minmax(0, ${/([\d.]+fr)\)?$/.exec(width)?.[1] ?? "1fr"})`;
}

function summary<Row>(label: string, pages: Pages<Row>, selected: number, listed: number): string {
  const isOne = (pages.total ?? pages.rows.length) === 1 && !pages.isMore;
  const noun = isOne ? label.toLowerCase().replace(/s$/, "") : label.toLowerCase();
  const read = pages.rows.length.toLocaleString("en");
  const size =
    pages.total === undefined
      ? `${read}${pages.isMore ? "+" : ""} ${noun}`
      : `${pages.total.toLocaleString("en")} ${noun}`;
  if (selected === 0) return size;
  const chosen = count(selected, "selected", "selected");
  // A search hides what is selected, and does not give it up.
  return listed === selected
    ? `${chosen} of ${size}`
    : `${chosen}, ${String(selected - listed)} not listed here; ${size}`;
}

function Head<Row>({
  column,
  sort,
  onSort,
}: {
  column: Column<Row>;
  sort: string | undefined;
  onSort: ((sort: string) => void) | undefined;
}) {
  const key = column.sort;
  if (key === undefined || onSort === undefined) {
    return (
      <Box role="columnheader" className={classes.cell}>
        {column.title}
      </Box>
    );
  }
  const isUp = sort === key;
  const isDown = sort === `-${key}`;
  return (
    <Box role="columnheader" className={classes.cell} aria-sort={isUp ? "ascending" : isDown ? "descending" : "none"}>
      <UnstyledButton
        fz="inherit"
        fw="inherit"
        c="inherit"
        onClick={() => {
          onSort(isUp ? `-${key}` : key);
        }}
      >
        <Group gap={4} wrap="nowrap" component="span">
          {column.title}
          {isUp ? <IconArrowUp size={13} aria-hidden /> : isDown ? <IconArrowDown size={13} aria-hidden /> : null}
        </Group>
      </UnstyledButton>
    </Box>
  );
}

function All<Row>({
  label,
  rows,
  id,
  selection,
}: {
  label: string;
  rows: Row[];
  id: (row: Row) => string;
  selection: Selection;
}) {
  const ids = rows.map(id);
  const picked = ids.filter((each) => selection.ids.has(each)).length;
  return (
    <Box role="columnheader" className={classes.cell}>
      <Checkbox
        size="xs"
        aria-label={`Select all ${label.toLowerCase()} that are read`}
        checked={picked > 0 && picked === ids.length}
        indeterminate={picked > 0 && picked < ids.length}
        onChange={(event) => {
          // What is selected and not listed stays.
          const next = new Set(selection.ids);
          for (const each of ids) {
            if (event.currentTarget.checked) next.add(each);
            else next.delete(each);
          }
          selection.change(next);
        }}
      />
    </Box>
  );
}

function toggled(ids: ReadonlySet<string>, id: string): Set<string> {
  const next = new Set(ids);
  if (!next.delete(id)) next.add(id);
  return next;
}
