/// By what incidents are filtered. Everything stands in the address.

import { Select } from "@mantine/core";

import { useMe } from "../../api/me";
import { useFilters } from "../../app/url";
import { Filters, type Choice } from "../../ui/Filters";
import { clip, inert } from "../../ui/text";
import { EndpointBox } from "../tasks/EndpointBox";
import { PRESETS } from "../tasks/since";
import { several, SEVERITY } from "./filters";
import { usePeople } from "./people";
import { TechniqueBox } from "./TechniqueBox";
import { RESOLUTIONS, STATES } from "./words";

export function IncidentFilters() {
  const me = useMe();
  const people = usePeople();
  const choices: Choice[] = [
    SEVERITY,
    several("state", "State", STATES),
    {
      name: "resolution",
      label: "Resolution",
      isMany: true,
      options: RESOLUTIONS.map(({ value, label }) => ({ value, label })),
      width: 150,
    },
    {
      name: "assignee",
      label: "Assignee",
      options: [
        { value: "me", label: "Me" },
        { value: "none", label: "Nobody" },
        ...people.filter(({ id }) => id !== me.id).map(({ id, name }) => ({ value: id, label: clip(inert(name), 60) })),
      ],
      width: 150,
    },
  ];
  return (
    <Filters search="text" choices={choices} views="incidents" own={["endpoint", "technique", "since", "until"]}>
      <EndpointBox />
      <TechniqueBox />
      <Since />
    </Filters>
  );
}

/** Since when. */
export function Since() {
  const [filters, set] = useFilters();
  return (
    <Select
      aria-label="Time"
      placeholder="Any time"
      clearable
      data={PRESETS}
      value={filters["since"] ?? null}
      onChange={(value) => {
        set({ since: value ?? undefined, until: undefined });
      }}
      w={150}
    />
  );
}
