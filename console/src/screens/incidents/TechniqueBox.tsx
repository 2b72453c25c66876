/// A choice of one technique of ATT&CK, for filters; it finds its parts too.

import { Select } from "@mantine/core";
import { useMemo } from "react";

import { useFilters } from "../../app/url";
import { ALL, techniqueName } from "./attack";

export function TechniqueBox() {
  const [filters, set] = useFilters();
  const chosen = filters["technique"];
  const data = useMemo(() => {
    const ids = chosen === undefined || ALL.includes(chosen) ? ALL : [chosen, ...ALL];
    return ids.map((id) => ({ value: id, label: `${id} ${techniqueName(id) ?? ""}`.trim() }));
  }, [chosen]);
  return (
    <Select
      aria-label="Technique"
      placeholder="Technique"
      clearable
      searchable
      limit={30}
      nothingFoundMessage="No technique of that name"
      data={data}
      value={chosen ?? null}
      onChange={(value) => {
        set({ technique: value ?? undefined });
      }}
      comboboxProps={{ width: 340, position: "bottom-start" }}
      w={150}
    />
  );
}
