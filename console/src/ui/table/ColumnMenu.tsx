/// Which columns a table shows.

import { ActionIcon, Checkbox, Menu, Tooltip } from "@mantine/core";
import { IconColumns3 } from "@tabler/icons-react";

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
