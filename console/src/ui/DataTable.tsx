/// The table of every list: only what is seen is drawn, more is read when its end comes near, keys move through it.

import { ActionIcon, Box, Checkbox, Group, Loader, Menu, Text, Tooltip, UnstyledButton } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconArrowDown, IconArrowUp, IconColumns3 } from "@tabler/icons-react";
import { Link, useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useRef, type KeyboardEvent, type ReactNode } from "react";

import type { Pages } from "../api/pages";
import { useSetting } from "../api/settings";
import { Failure } from "./Failure";
import { count } from "./text";
import classes from "./DataTable.module.css";

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

export type Selection = { ids: ReadonlySet<string>; change: (ids: Set<string>) => void };

type Props<Row> = {
  /** What the rows are, in the plural: the name of the table, and of what is remembered of it. */
  label: string;
  columns: Column<Row>[];
  pages: Pages<Row>;
  id: (row: Row) => string;
  /** Where a row leads. */
  to?: (row: Row) => string;
  name?: (row: Row) => string;
  selection?: Selection;
  sort?: string | undefined;
  onSort?: (sort: string) => void;
  empty: ReactNode;
  /** Beside the choice of columns: export, saved views. */
  tools?: ReactNode;
};

const HEIGHT = 44;
/** Rows before the end at which more are read. */
const AHEAD = 60;

export function DataTable<Row>(props: Props<Row>) {
  const { label, columns, pages, id, to, name, selection, sort, onSort, empty, tools } = props;
  const isNarrow = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const [chosen, choose] = useSetting<string[] | null>(`columns.${label.toLowerCase().replaceAll(" ", "-")}`, null);
  const wanted = columns.filter((column) => (chosen === null ? column.isExtra !== true : chosen.includes(column.id)));
  const shown = isNarrow ? columns.filter((column) => column.isNarrow === true) : wanted;
  const tracks = `${selection ? "40px " : ""}${shown.map((column) => (isNarrow && column.width.endsWith("px") ? "auto" : column.width)).join(" ")}`;

  const frame = useRef<HTMLDivElement>(null);
  const total = Math.max(pages.total ?? 0, pages.rows.length);
  const rows = useVirtualizer({
    count: total,
    getScrollElement: () => frame.current,
    estimateSize: () => HEIGHT,
    overscan: 12,
  });
  const drawn = rows.getVirtualItems();
  const last = drawn.at(-1)?.index ?? 0;
  const isShort = pages.isMore && !pages.isFetching && last >= pages.rows.length - AHEAD;
  const more = pages.more;
  useEffect(() => {
    if (isShort) more();
  }, [isShort, more]);

  const keys = useKeys(rows.scrollToIndex, pages.rows.length, frame, selection, (index) => {
    const row = pages.rows[index];
    return row === undefined ? undefined : { id: id(row), to: to?.(row) };
  });

  if (pages.error !== null && pages.rows.length === 0) return <Failure error={pages.error} retry={pages.again} />;
  const isEmpty = !pages.isFirst && pages.rows.length === 0 && !pages.isMore;

  return (
    <Box>
      <Group justify="space-between" mb={6} gap="xs" mih={30}>
        <Text size="sm" c="dimmed" aria-live="polite">
          {pages.isFirst ? "Reading…" : summary(label, pages, selection)}
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
        <Box ref={frame} className={classes.frame} onKeyDown={keys} data-testid="rows">
          <Box role="table" aria-label={label} aria-rowcount={total + 1} className={classes.table}>
            <Box role="rowgroup" className={classes.head}>
              <Box role="row" className={classes.row} style={{ gridTemplateColumns: tracks }} aria-rowindex={1}>
                {selection ? <All label={label} rows={pages.rows} id={id} selection={selection} /> : null}
                {shown.map((column) => (
                  <Head key={column.id} column={column} sort={sort} onSort={onSort} />
                ))}
              </Box>
            </Box>
            <Box role="rowgroup" style={{ height: rows.getTotalSize(), position: "relative" }}>
              {drawn.map((item) => {
                const row = pages.rows[item.index];
                return (
                  <Box
                    key={item.key}
                    role="row"
                    aria-rowindex={item.index + 2}
                    data-index={item.index}
                    className={classes.row}
                    data-selected={row !== undefined && selection?.ids.has(id(row)) ? true : undefined}
                    style={{
                      gridTemplateColumns: tracks,
                      height: HEIGHT,
                      transform: `translateY(${String(item.start)}px)`,
                      position: "absolute",
                      insetInline: 0,
                      top: 0,
                    }}
                  >
                    {row === undefined ? (
                      <Box role="cell" className={classes.cell} c="dimmed">
                        …
                      </Box>
                    ) : (
                      <Cells
                        row={row}
                        rowId={id(row)}
                        to={to?.(row)}
                        name={name?.(row) ?? id(row)}
                        columns={shown}
                        selection={selection}
                        isSelected={selection?.ids.has(id(row)) ?? false}
                      />
                    )}
                  </Box>
                );
              })}
            </Box>
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

function summary<Row>(label: string, pages: Pages<Row>, selection: Selection | undefined): string {
  const noun = label.toLowerCase();
  const read = pages.rows.length.toLocaleString("en");
  const size =
    pages.total === undefined
      ? `${read}${pages.isMore ? "+" : ""} ${noun}`
      : `${pages.total.toLocaleString("en")} ${noun}`;
  return selection && selection.ids.size > 0 ? `${count(selection.ids.size, "selected", "selected")} of ${size}` : size;
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
          selection.change(new Set(event.currentTarget.checked ? ids : []));
        }}
      />
    </Box>
  );
}

type CellsProps<Row> = {
  row: Row;
  rowId: string;
  to: string | undefined;
  name: string;
  columns: Column<Row>[];
  selection: Selection | undefined;
  isSelected: boolean;
};

function toggled(ids: ReadonlySet<string>, id: string): Set<string> {
  const next = new Set(ids);
  if (!next.delete(id)) next.add(id);
  return next;
}

const Cells = memo(function Cells<Row>({ row, rowId, to, name, columns, selection, isSelected }: CellsProps<Row>) {
  return (
    <>
      {selection ? (
        <Box role="cell" className={classes.cell}>
          <Checkbox
            size="xs"
            aria-label={`Select ${name}`}
            checked={isSelected}
            onChange={() => {
              selection.change(toggled(selection.ids, rowId));
            }}
          />
        </Box>
      ) : null}
      {columns.map((column, index) => (
        <Box role="cell" key={column.id} className={classes.cell}>
          {index === 0 && to !== undefined ? (
            <Link to={to} className={classes.link}>
              {column.cell(row)}
            </Link>
          ) : (
            column.cell(row)
          )}
        </Box>
      ))}
    </>
  );
}) as <Row>(props: CellsProps<Row>) => ReactNode;

function ColumnMenu<Row>({
  columns,
  shown,
  choose,
}: {
  columns: Column<Row>[];
  shown: string[];
  choose: (ids: string[] | null) => void;
}) {
  return (
    <Menu closeOnItemClick={false} position="bottom-end">
      <Menu.Target>
        <Tooltip label="Choose columns">
          <ActionIcon variant="default" size="md" aria-label="Choose columns">
            <IconColumns3 size={16} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Columns</Menu.Label>
        {columns.map((column) => {
          const isShown = shown.includes(column.id);
          const others = shown.filter((each) => each !== column.id);
          return (
            <Menu.Item
              key={column.id}
              role="menuitemcheckbox"
              aria-checked={isShown}
              disabled={isShown && others.length === 0}
              leftSection={<Checkbox.Indicator size="xs" checked={isShown} />}
              onClick={() => {
                choose(isShown ? others : [...shown, column.id]);
              }}
            >
              {column.title}
            </Menu.Item>
          );
        })}
        <Menu.Divider />
        <Menu.Item
          onClick={() => {
            choose(null);
          }}
        >
          As it was
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

/** Arrows, `j` and `k` move; Enter opens; `x` selects. */
function useKeys(
  scrollTo: (index: number) => void,
  length: number,
  frame: React.RefObject<HTMLDivElement | null>,
  selection: Selection | undefined,
  at: (index: number) => { id: string; to: string | undefined } | undefined,
) {
  const navigate = useNavigate();
  const focus = (index: number): void => {
    scrollTo(index);
    requestAnimationFrame(() => {
      frame.current
        ?.querySelector<HTMLElement>(`[data-index="${String(index)}"] a, [data-index="${String(index)}"] input`)
        ?.focus();
    });
  };
  return (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const current = Number(target.closest("[data-index]")?.getAttribute("data-index") ?? -1);
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 15, PageUp: -15 }[event.key];
    if (step !== undefined && length > 0) {
      event.preventDefault();
      focus(Math.min(length - 1, Math.max(0, current + step)));
      return;
    }
    const row = current < 0 ? undefined : at(current);
    if (row === undefined) return;
    if (event.key === "x" && selection) {
      event.preventDefault();
      selection.change(toggled(selection.ids, row.id));
    }
    if (event.key === "Enter" && row.to !== undefined && target.tagName !== "A" && target.tagName !== "BUTTON") {
      void navigate({ to: row.to });
    }
  };
}
