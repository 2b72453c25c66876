/// Finds endpoints on the server as one types, and hands on those that are chosen.

import { Button, Group, MultiSelect } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMemo, useState } from "react";

import { useEndpointSearch } from "../../../act/known";
import { clip, inert } from "../../../ui/text";

type Props = {
  label: string;
  /** Those that cannot be chosen (again). */
  without?: string[];
  pick: (ids: string[]) => void;
  isBusy?: boolean;
};

/** Chosen first, then handed on by a button. */
export function EndpointPicker({ label, without = [], pick, isBusy = false }: Props) {
  const [chosen, choose] = useState<string[]>([]);
  return (
    <Group gap="xs" wrap="nowrap" align="flex-end" flex="2 1 220px" miw={0}>
      <Endpoints label={label} value={chosen} change={choose} without={without} />
      <Button
        variant="default"
        loading={isBusy}
        disabled={chosen.length === 0}
        onClick={() => {
          pick(chosen);
          choose([]);
        }}
      >
        Add
      </Button>
    </Group>
  );
}

type EndpointsProps = {
  label: string;
  value: string[];
  change: (ids: string[]) => void;
  without?: string[];
  hasLabel?: boolean;
};

export function Endpoints({ label, value, change, without = [], hasLabel = false }: EndpointsProps) {
  const [text, setText] = useState("");
  const [asked] = useDebouncedValue(text.trim(), 200);
  const [isOpen, setOpen] = useState(false);
  const search = useEndpointSearch(asked, isOpen, 50);
  const isCurrent = !search.isOld && asked === text.trim();
  const [names, keep] = useState<Record<string, string>>({});
  const data = useMemo(() => {
    // Rows of an earlier text are not offered.
    const found = (isCurrent ? search.rows : []).filter((row) => !without.includes(row.id) && !value.includes(row.id));
    return [
      ...value.map((id) => ({ value: id, label: names[id] ?? id })),
      ...found.map((row) => ({ value: row.id, label: clip(inert(row.name), 60) })),
    ];
  }, [isCurrent, search.rows, without, value, names]);
  return (
    <MultiSelect
      {...(hasLabel ? { label } : { "aria-label": label })}
      placeholder={value.length === 0 ? label : ""}
      data={data}
      value={value}
      searchable
      clearable
      searchValue={text}
      onSearchChange={setText}
      // The server searches, also in what is not shown.
      filter={({ options }) => options}
      nothingFoundMessage={search.isPending ? "Searching…" : "No endpoint"}
      onDropdownOpen={() => {
        setOpen(true);
      }}
      onChange={(next) => {
        keep({ ...names, ...Object.fromEntries(data.map((one) => [one.value, one.label])) });
        change(next);
      }}
      flex={1}
      miw={0}
      maxDropdownHeight={260}
    />
  );
}
