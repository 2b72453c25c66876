/// A choice of actions: single ones, groups, or every one.

import { MultiSelect } from "@mantine/core";
import { useMemo } from "react";

import { $api } from "../../../api/client";
import { words } from "../../../ui/text";

type Props = {
  label: string;
  description?: string;
  value: string[];
  change: (actions: string[]) => void;
  why?: string | undefined;
  error?: string | undefined;
};

export function ActionsField({ label, description, value, change, why, error }: Props) {
  const actions = $api.useQuery("get", "/api/v1/actions", undefined, { staleTime: Infinity });
  const data = useMemo(() => {
    const all = actions.data ?? [];
    const groups = [...new Set(all.map((action) => action.id.split(".")[0] ?? ""))].sort();
    return [
      { group: "Every action", items: [{ value: "*", label: "Every action" }] },
      {
        group: "Groups",
        items: groups.map((group) => ({ value: `${group}.*`, label: `Every action of ${words(group)}` })),
      },
      { group: "Actions", items: all.map((action) => ({ value: action.id, label: action.title })) },
    ];
  }, [actions.data]);
  return (
    <MultiSelect
      label={label}
      {...(description === undefined ? {} : { description })}
      data={data}
      value={value}
      disabled={why !== undefined}
      error={error}
      searchable
      clearable
      onChange={change}
    />
  );
}
