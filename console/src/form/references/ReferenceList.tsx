/// Several things that the server has a list of: each is picked as a single one is, below the one before it.

import { Box, Button, CloseButton, Group, Stack } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import type { ReactNode } from "react";

import { Help } from "../Help";
import type { Problems } from "../problems";
import type { PickerProps } from ".";

type Props = {
  Picker: (props: PickerProps) => ReactNode;
  label: string;
  description?: ReactNode;
  required: boolean;
  error?: ReactNode;
  path: string;
  most: number | undefined;
  problems: Problems;
  /** One a line, as lists of plain values are. */
  value: string;
  change: (value: string) => void;
};

export function ReferenceList({ Picker, label, description, required, error, path, most, ...rest }: Props) {
  const { problems, value, change } = rest;
  // There is always one to pick.
  const rows = value.split("\n");
  const set = (next: string[]): void => {
    change(next.join("\n"));
  };
  return (
    <Stack gap={6}>
      {rows.map((row, index) => {
        // Places in which nothing stands are not sent, and not counted.
        const place = rows.slice(0, index).filter((each) => each !== "").length;
        const said = row === "" ? undefined : problems.at(`${path}[${String(place)}]`);
        const wrong = (index === 0 ? error : undefined) ?? (said === undefined ? undefined : <Help>{said}</Help>);
        const named = index === 0 ? { label, description } : { "aria-label": `${label}, number ${String(index + 1)}` };
        return (
          <Group key={index} wrap="nowrap" gap="xs" align="flex-end">
            <Box flex={1} miw={0}>
              <Picker
                {...named}
                // One of several is removed instead.
                clearable={rows.length === 1 && !required}
                required={required && index === 0}
                data-path={index === 0 ? path : `${path}[${String(index)}]`}
                {...(wrong === undefined ? {} : { error: wrong })}
                value={row}
                change={(next) => {
                  set(rows.map((each, at) => (at === index ? next : each)));
                }}
              />
            </Box>
            {rows.length === 1 ? null : (
              <CloseButton
                mb={4}
                aria-label={`Remove number ${String(index + 1)} of ${label.toLowerCase()}`}
                onClick={() => {
                  set(rows.filter((_, at) => at !== index));
                }}
              />
            )}
          </Group>
        );
      })}
      {rows.includes("") || (most !== undefined && rows.length >= most) ? null : (
        <Button
          variant="default"
          size="xs"
          w="fit-content"
          leftSection={<IconPlus size={14} aria-hidden />}
          onClick={() => {
            set([...rows, ""]);
          }}
        >
          Add another
        </Button>
      )}
    </Stack>
  );
}
