/// Which columns a table shows.

import { ActionIcon, Button, Checkbox, Popover, Stack } from "@mantine/core";
import { IconColumns3 } from "@tabler/icons-react";
import { useState } from "react";

import type { Column } from "./column";

export function ColumnMenu<Row>({
  columns,
  shown,
  choose,
}: {
  columns: Column<Row>[];
  shown: string[];
  choose: (ids: string[] | null) => void;
}) {
  const [isOpen, setOpen] = useState(false);
  return (
    <Popover position="bottom-end" trapFocus returnFocus opened={isOpen} onChange={setOpen}>
      <Popover.Target>
        <ActionIcon
          variant="default"
          size="md"
          aria-label="Choose columns"
          data-hint="Choose columns"
          onClick={() => {
            setOpen(!isOpen);
          }}
        >
          <IconColumns3 size={16} />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown p="xs">
        <Stack gap={10}>
          {columns.map((column) => {
            const isShown = shown.includes(column.id);
            const others = shown.filter((each) => each !== column.id);
            return (
              <Checkbox
                key={column.id}
                size="xs"
                label={column.title}
                checked={isShown}
                disabled={isShown && others.length === 0}
                onChange={() => {
                  choose(isShown ? others : [...shown, column.id]);
                }}
              />
            );
          })}
          <Button
            size="compact-sm"
            variant="default"
            onClick={() => {
              choose(null);
            }}
          >
            As it was
          </Button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
