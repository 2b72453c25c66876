/// Something of the library: by name, in its newest version or in one that is pinned.

import { Group, Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";

import { $api, type Schemas } from "../../api/client";
import { holds, useMe } from "../../api/me";
import { clip, inert } from "../../ui/text";
import type { PickerProps } from ".";

type Item = Schemas["LibraryItem"];

const NEWEST = "newest";
/** Items that are offered at once; more are found by typing. */
const OFFERED = 200;

function option(item: Item): { value: string; label: string } {
  const about = clip(inert(item.description), 80);
  return { value: item.name, label: about === "" ? item.name : `${item.name} · ${about}` };
}

/** The picker of one kind. */
export function libraryPicker(kind: string) {
  return function LibraryPicker({
    value,
    change,
    label,
    description,
    required,
    clearable,
    error,
    ...rest
  }: PickerProps) {
    const me = useMe();
    const [typed, setTyped] = useState("");
    const [name = "", version] = value.split("@", 2);
    // What is chosen stands in the box, and is not looked for.
    const [text] = useDebouncedValue(typed.includes(" · ") || typed === name ? "" : typed.trim().slice(0, 100), 200);
    const query = { limit: OFFERED, ...(text === "" ? {} : { text }) };
    const may = holds(me, "library.read");
    const answer = $api.useQuery(
      "get",
      "/api/v1/library/{kind}",
      { params: { path: { kind }, query } },
      { enabled: may, placeholderData: (before) => before },
    );
    const items = answer.data?.items ?? [];
    const isNamed = name !== "" && !name.startsWith("sha256:");
    const chosen = $api.useQuery(
      "get",
      "/api/v1/library/{kind}/{name}",
      { params: { path: { kind, name } } },
      { enabled: may && isNamed, retry: false, staleTime: 30_000 },
    );
    const versions = (isNamed ? chosen.data?.versions : undefined) ?? [];
    // A digest, or a name that is not read here: it stands as it is.
    const data = [
      ...items.map(option),
      ...(value !== "" && !items.some((each) => each.name === name)
        ? [{ value: name, label: clip(inert(value), 80) }]
        : []),
    ];
    return (
      <Group align={error === undefined ? "flex-end" : "center"} gap="xs">
        <Select
          {...rest}
          label={label}
          description={description}
          required={required}
          error={error}
          style={{ flex: "1 1 240px" }}
          data={data}
          value={name === "" ? null : name}
          searchable
          clearable={clearable ?? !required}
          onSearchChange={setTyped}
          placeholder={may && answer.isPending ? "Reading the library…" : "Choose from the library"}
          nothingFoundMessage="The library has nothing of that name."
          onChange={(next) => {
            change(next ?? "");
          }}
        />
        {versions.length === 0 ? null : (
          <Select
            {...(label === undefined ? { "aria-label": "Version" } : { label: "Version" })}
            w={140}
            allowDeselect={false}
            value={version ?? NEWEST}
            data={[
              { value: NEWEST, label: `Newest (${String(versions[0]?.version ?? 1)})` },
              ...versions.map((each) => ({ value: String(each.version), label: String(each.version) })),
            ]}
            onChange={(next) => {
              change(next === null || next === NEWEST ? name : `${name}@${next}`);
            }}
          />
        )}
      </Group>
    );
  };
}
