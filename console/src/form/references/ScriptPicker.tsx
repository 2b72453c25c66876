/// A script of the library: by name, in its newest version or in one that is pinned.

import { Group, Select } from "@mantine/core";

import { $api, type Schemas } from "../../api/client";
import { holds, useMe } from "../../api/me";
import { clip, inert } from "../../ui/text";
import type { PickerProps } from ".";

type Script = Schemas["Script"];

const NEWEST = "newest";

function option(script: Script): { value: string; label: string } {
  const about = clip(inert(script.description), 80);
  return { value: script.name, label: about === "" ? script.name : `${script.name} · ${about}` };
}

export function ScriptPicker({ value, change, label, description, required, error, ...rest }: PickerProps) {
  const me = useMe();
  const answer = $api.useQuery(
    "get",
    "/api/v1/scripts",
    { params: { query: { limit: 500 } } },
    { enabled: holds(me, "script.read") },
  );
  const scripts = answer.data?.items ?? [];
  const [name = "", version] = value.split("@", 2);
  const script = scripts.find((each) => each.name === name);
  // A digest, or a name that is not read here: it stands as it is.
  const data = [
    ...scripts.map(option),
    ...(value !== "" && script === undefined ? [{ value: name, label: clip(inert(value), 80) }] : []),
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
        placeholder={answer.isPending ? "Reading the library…" : "Choose a script of the library"}
        nothingFoundMessage="The library has no script of that name."
        onChange={(next) => {
          change(next ?? "");
        }}
      />
      {script === undefined ? null : (
        <Select
          label="Version"
          w={140}
          allowDeselect={false}
          value={version ?? NEWEST}
          data={[
            { value: NEWEST, label: `Newest (${String(script.versions[0]?.version ?? 1)})` },
            ...script.versions.map((each) => ({ value: String(each.version), label: String(each.version) })),
          ]}
          onChange={(next) => {
            change(next === null || next === NEWEST ? name : `${name}@${next}`);
          }}
        />
      )}
    </Group>
  );
}
