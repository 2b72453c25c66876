/// What a role grants, or what of a role a key may use: permissions by group, actions with wildcards, tags.

import { Checkbox, Fieldset, Group, MultiSelect, Radio, Stack, TagsInput, Text } from "@mantine/core";
import { useMemo } from "react";

import { $api, type Schemas } from "../../../api/client";
import { grouped } from "./permissions";
import classes from "../../../ui/columns.module.css";

export type Grants = Schemas["GrantsView"];
type Permission = Schemas["PermissionView"];

const ALL = "*";

type Props = {
  value: Grants;
  change: (grants: Grants) => void;
  field: (path: string) => string | undefined;
  /** Without permissions that only people use: a program has no use for them. */
  isForProgram?: boolean;
};

export function GrantFields({ value, change, field, isForProgram = false }: Props) {
  const known = $api.useQuery("get", "/api/v1/permissions", undefined, { staleTime: Infinity });
  const permissions = (known.data?.items ?? []).filter(
    (permission) => permission.name !== "self.manage" && !(isForProgram && permission.only_people),
  );
  return (
    <Stack gap="md">
      <PermissionFields
        all={permissions}
        value={value.permissions}
        error={field("grants.permissions") ?? field("scope.permissions")}
        change={(next) => {
          change({ ...value, permissions: next });
        }}
      />
      <ActionField
        value={value.actions}
        error={field("grants.actions") ?? field("scope.actions")}
        change={(actions) => {
          change({ ...value, actions });
        }}
      />
      <TagField
        value={value.tags ?? undefined}
        error={field("grants.tags") ?? field("scope.tags")}
        change={(tags) => {
          change({ ...value, tags: tags ?? null });
        }}
      />
    </Stack>
  );
}

type PermissionProps = {
  all: Permission[];
  value: string[];
  error: string | undefined;
  change: (names: string[]) => void;
};

function PermissionFields({ all, value, error, change }: PermissionProps) {
  const isAll = value.includes(ALL);
  return (
    <Fieldset legend="Permissions">
      <Checkbox
        label="All of them, also those that later versions bring"
        checked={isAll}
        onChange={(event) => {
          change(event.currentTarget.checked ? [ALL] : []);
        }}
      />
      {error === undefined ? null : (
        <Text size="sm" c="var(--mantine-color-error)">
          {error}
        </Text>
      )}
      {isAll ? null : (
        <Checkbox.Group value={value} onChange={change} mt="sm" aria-label="Permissions">
          <div className={classes.columns}>
            {grouped(all).map(([group, permissions]) => (
              <div key={group} role="group" aria-label={group}>
                <Text size="sm" fw={600} mb={4}>
                  {group}
                </Text>
                <Stack gap={6}>
                  {permissions.map((permission) => (
                    <Checkbox
                      key={permission.name}
                      size="sm"
                      value={permission.name}
                      label={permission.about}
                      description={permission.name}
                    />
                  ))}
                </Stack>
              </div>
            ))}
          </div>
        </Checkbox.Group>
      )}
    </Fieldset>
  );
}

type ListProps = { value: string[]; error: string | undefined; change: (names: string[]) => void };

function ActionField({ value, error, change }: ListProps) {
  const actions = $api.useQuery("get", "/api/v1/actions", undefined, { staleTime: Infinity });
  const options = useMemo(() => {
    const groups = new Map<string, { value: string; label: string }[]>();
    for (const action of actions.data ?? []) {
      const [group = ""] = action.id.split(".");
      groups.set(group, [...(groups.get(group) ?? []), { value: action.id, label: `${action.title} · ${action.id}` }]);
    }
    return [
      { group: "Everything", items: [{ value: ALL, label: "* · every action" }] },
      ...[...groups].map(([group, items]) => ({
        group,
        items: [{ value: `${group}.*`, label: `${group}.* · every action of ${group}` }, ...items],
      })),
    ];
  }, [actions.data]);
  return (
    <MultiSelect
      label="Actions"
      description="Which actions may be requested. A group with .* holds those that come later too."
      placeholder={value.length === 0 ? "None" : ""}
      data={options}
      searchable
      clearable
      value={value}
      error={error}
      onChange={(next) => {
        change(
          next.includes(ALL) && !value.includes(ALL)
            ? [ALL]
            : next.length > 1
              ? next.filter((each) => each !== ALL)
              : next,
        );
      }}
    />
  );
}

type TagProps = {
  value: string[] | undefined;
  error: string | undefined;
  change: (tags: string[] | undefined) => void;
};

function TagField({ value, error, change }: TagProps) {
  return (
    <Radio.Group
      label="Endpoints"
      description="Tags end what may be done. Lists are shown whole to all who may read them."
      value={value === undefined ? "all" : "tags"}
      onChange={(choice) => {
        change(choice === "all" ? undefined : []);
      }}
    >
      <Group mt="xs" gap="lg">
        <Radio value="all" label="Every endpoint" />
        <Radio value="tags" label="Only with any of these tags" />
      </Group>
      {value === undefined ? null : (
        <TagsInput
          mt="xs"
          aria-label="Tags"
          placeholder={value.length === 0 ? "A tag, then Enter" : ""}
          value={value}
          error={error}
          onChange={change}
        />
      )}
    </Radio.Group>
  );
}
