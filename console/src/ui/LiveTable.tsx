/// The table of a list that goes on while somebody reads: what is new on top waits while they are further down, and a phone
/// has columns of its own.

import { Button, Group } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconArrowUp } from "@tabler/icons-react";
import { useRef, useState, type UIEvent } from "react";

import { DataTable, type Column, type TableProps } from "./DataTable";
import { useHold } from "./table/hold";
import { count } from "./text";

type Props<Row> = TableProps<Row> & {
  narrowColumns: Column<Row>[];
  /** What a row is, in the singular. */
  one: string;
};

/** Pixels from which on somebody is further down. */
const DOWN = 60;

export function LiveTable<Row>({ narrowColumns, one, columns, pages: read, tools, ...rest }: Props<Row>) {
  const isNarrow = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const frame = useRef<HTMLDivElement>(null);
  const [isDown, setDown] = useState(false);
  const [pages, fresh] = useHold<Row>(read, rest.id, isDown);
  return (
    <div
      ref={frame}
      onScrollCapture={(event: UIEvent) => {
        setDown((event.target as HTMLElement).scrollTop > DOWN);
      }}
    >
      <DataTable
        {...rest}
        columns={isNarrow ? narrowColumns : columns}
        pages={pages}
        tools={
          <Group gap="xs">
            {fresh > 0 ? (
              <Button
                size="compact-sm"
                variant="light"
                leftSection={<IconArrowUp size={14} aria-hidden />}
                onClick={() => {
                  setDown(false);
                  frame.current?.querySelector("[data-testid=rows]")?.scrollTo({ top: 0 });
                }}
              >
                {count(fresh, `new ${one}`)}
              </Button>
            ) : null}
            {tools}
          </Group>
        }
      />
    </div>
  );
}
