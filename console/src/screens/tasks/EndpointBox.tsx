/// A choice of one endpoint, for filters.

import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";

import { $api } from "../../api/client";
import { useFilters } from "../../app/url";
import { clip, inert } from "../../ui/text";

/** One endpoint, searched for on the server: there may be tens of thousands. */
export function EndpointBox() {
  const [filters, set] = useFilters();
  const [text, setText] = useState("");
  const [wanted] = useDebouncedValue(text, 250);
  const found = $api.useQuery("get", "/api/v1/endpoints", {
    params: { query: { limit: 20, ...(wanted === "" ? {} : { name: wanted }) } },
  });
  const chosen = filters["endpoint"];
  const own = $api.useQuery(
    "get",
    "/api/v1/endpoints/{id}",
    { params: { path: { id: chosen ?? "" } } },
    { enabled: chosen !== undefined && /^[0-9a-f-]{36}$/.test(chosen) },
  );
  const options = new Map((found.data?.items ?? []).map((endpoint) => [endpoint.id, clip(inert(endpoint.name), 60)]));
  if (chosen !== undefined) options.set(chosen, clip(inert(own.data?.name ?? chosen), 60));
  return (
    <Select
      aria-label="Endpoint"
      placeholder="Endpoint"
      clearable
      searchable
      filter={({ options: all }) => all}
      nothingFoundMessage="No endpoint of that name"
      data={[...options].map(([value, name]) => ({ value, label: name }))}
      value={chosen ?? null}
      onSearchChange={setText}
      onChange={(value) => {
        set({ endpoint: value ?? undefined });
      }}
      w={180}
    />
  );
}
