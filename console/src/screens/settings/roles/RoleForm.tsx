/// Making a role, or changing one. Whoever has it may at once what it says then.

import { Button, Checkbox, Group, Paper, Stack, Textarea, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState, type FormEvent } from "react";

import { api, data } from "../../../api/client";
import { asApiError, type ApiError } from "../../../api/problem";
import { refresh } from "../../../api/query";
import { Failure } from "../../../ui/Failure";
import { GrantFields, type Grants } from "./GrantFields";
import type { Role } from "./names";

const NOTHING: Grants = { permissions: [], actions: [], tags: null, outside: false };

type Props = { role?: Role; done: (id: string) => void; cancel: () => void };

export function RoleForm({ role, done, cancel }: Props) {
  const [name, setName] = useState(role?.name ?? "");
  const [description, setDescription] = useState(role?.description ?? "");
  const [grants, setGrants] = useState<Grants>(role?.grants ?? NOTHING);
  const [error, setError] = useState<ApiError | undefined>();
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    const body = { name, description, grants };
    try {
      const saved =
        role === undefined
          ? await data(api.POST("/api/v1/roles", { body }))
          : await data(api.PUT("/api/v1/roles/{id}", { params: { path: { id: role.id } }, body }));
      await refresh("/api/v1/roles", "/api/v1/me");
      notifications.show({ message: role === undefined ? "The role is made." : "The role is changed.", color: "teal" });
      done(saved.id);
    } catch (failure) {
      setError(asApiError(failure));
      setBusy(false);
    }
  };
  return (
    <Paper withBorder p="md" maw={980}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="md">
          <TextInput
            label="Name"
            required
            maxLength={100}
            value={name}
            error={error?.field("name")}
            onChange={(event) => {
              setName(event.currentTarget.value);
            }}
          />
          <Textarea
            label="What for"
            maxLength={500}
            autosize
            minRows={2}
            value={description}
            error={error?.field("description")}
            onChange={(event) => {
              setDescription(event.currentTarget.value);
            }}
          />
          <GrantFields value={grants} change={setGrants} field={(path) => error?.field(path)} />
          <Checkbox
            label="Its members are an outside team"
            description="The managed-services settings decide about their requests."
            checked={grants.outside}
            onChange={(event) => {
              setGrants({ ...grants, outside: event.currentTarget.checked });
            }}
          />
          <Failure error={error} />
          <Group gap="xs">
            <Button type="submit" loading={isBusy}>
              {role === undefined ? "Make the role" : "Save"}
            </Button>
            <Button variant="default" onClick={cancel}>
              Cancel
            </Button>
          </Group>
        </Stack>
      </form>
    </Paper>
  );
}
