/// Adding a provider, or changing one.

import {
  ActionIcon,
  Button,
  Checkbox,
  Fieldset,
  Group,
  Paper,
  PasswordInput,
  Select,
  Stack,
  TagsInput,
  Text,
  TextInput,
} from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useState, type FormEvent } from "react";

import { api, data } from "../../../api/client";
import { asApiError, type ApiError } from "../../../api/problem";
import { refresh } from "../../../api/query";
import { Failure } from "../../../ui/Failure";
import { useRoleOptions } from "../roles/names";
import { NEW, wanted, type IdentityProvider, type Wanted } from "./wanted";

type Props = { provider?: IdentityProvider; done: (id: string) => void; cancel: () => void };

export function ProviderForm({ provider, done, cancel }: Props) {
  const [body, setBody] = useState<Wanted>(provider === undefined ? NEW : wanted(provider));
  const [error, setError] = useState<ApiError | undefined>();
  const [isBusy, setBusy] = useState(false);
  const change = (part: Partial<Wanted>): void => {
    setBody((before) => ({ ...before, ...part }));
  };
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const saved =
        provider === undefined
          ? await data(api.POST("/api/v1/sso/providers", { body }))
          : await data(api.PUT("/api/v1/sso/providers/{id}", { params: { path: { id: provider.id } }, body }));
      await refresh("/api/v1/sso");
      done(saved.id);
    } catch (failure) {
      setError(asApiError(failure));
      setBusy(false);
    }
  };
  const text = (key: "name" | "issuer" | "client_id" | "group_claim") => ({
    value: body[key] ?? "",
    error: error?.field(key),
    onChange: (event: React.ChangeEvent<HTMLInputElement>) => {
      change({ [key]: event.currentTarget.value });
    },
  });
  const list = (key: "scopes" | "domains") => ({
    value: body[key] ?? [],
    error: error?.field(key),
    onChange: (values: string[]) => {
      change({ [key]: values });
    },
  });
  const yes = (key: "make_accounts" | "trust_email" | "offered" | "enabled") => ({
    checked: body[key] ?? false,
    onChange: (event: React.ChangeEvent<HTMLInputElement>) => {
      change({ [key]: event.currentTarget.checked });
    },
  });
  return (
    <Paper withBorder p="md" maw={760}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="md">
          <TextInput
            label="Name"
            description="Lower case; part of the address at which signing in begins."
            required
            maxLength={40}
            placeholder="keycloak"
            {...text("name")}
          />
          <TextInput
            label="Issuer"
            description="Exactly as its discovery document says it."
            required
            placeholder="https://login.example/realms/main"
            {...text("issuer")}
          />
          <Group grow align="flex-start">
            <TextInput
              label="Client id"
              description="What Quell is called there."
              required
              maxLength={255}
              {...text("client_id")}
            />
            <PasswordInput
              label="Client secret"
              description={
                provider?.has_secret
                  ? "Empty: the one that is kept stays. Given again for another issuer."
                  : "Empty: a public client."
              }
              autoComplete="off"
              value={body.client_secret ?? ""}
              error={error?.field("client_secret")}
              onChange={(event) => {
                const { value } = event.currentTarget;
                setBody((before) => {
                  const next: Wanted = { ...before, client_secret: value };
                  // Absent, not empty: empty would take the secret away.
                  if (value === "") delete next.client_secret;
                  return next;
                });
              }}
            />
          </Group>
          <MappingFields
            value={body.mapping ?? []}
            field={(path) => error?.field(path)}
            change={(mapping) => {
              change({ mapping });
            }}
          />
          <TextInput
            label="Claim of the groups"
            description="Dots lead deeper: realm_access.roles."
            {...text("group_claim")}
          />
          <TagsInput label="Scopes" description="What is asked for." {...list("scopes")} />
          <TagsInput
            label="Only addresses of these domains"
            description="Any domain where empty."
            {...list("domains")}
          />
          <Stack gap="xs">
            <Checkbox
              label="Whoever is unknown gets an account, if a group gives them a role"
              {...yes("make_accounts")}
            />
            <Checkbox
              label="Believe addresses that the provider does not call verified"
              description="Only where the organisation alone gives them."
              {...yes("trust_email")}
            />
            <Checkbox
              label="Name it on the sign-in page"
              description="To everybody who opens that page, with the name of this tenant. Otherwise people need the address."
              {...yes("offered")}
            />
            <Checkbox label="People can sign in through it" {...yes("enabled")} />
          </Stack>
          <Failure error={error} />
          <Group gap="xs">
            <Button type="submit" loading={isBusy}>
              {provider === undefined ? "Add" : "Save"}
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

type Entry = { group: string; role: string };
type MappingProps = {
  value: Entry[];
  change: (mapping: Entry[]) => void;
  field: (path: string) => string | undefined;
};

function MappingFields({ value, change, field }: MappingProps) {
  const roles = useRoleOptions();
  const set = (at: number, part: Partial<Entry>): void => {
    change(value.map((entry, index) => (index === at ? { ...entry, ...part } : entry)));
  };
  return (
    <Fieldset legend="Groups and roles">
      <Stack gap="xs">
        <Text size="sm" c="dimmed">
          Who is of the group there has the role here, from their next sign-in on. Nobody maps a group to more than they
          may.
        </Text>
        {value.map((entry, at) => (
          // The rows have no identity but their place.
          <Group key={at} gap="xs" wrap="nowrap" align="flex-start">
            <TextInput
              flex={1}
              aria-label={`Group ${String(at + 1)}`}
              placeholder="ir-lead"
              required
              maxLength={256}
              value={entry.group}
              error={field(`mapping[${String(at)}].group`)}
              onChange={(event) => {
                set(at, { group: event.currentTarget.value });
              }}
            />
            <Select
              flex={1}
              aria-label={`Role of group ${String(at + 1)}`}
              placeholder="role"
              required
              searchable
              data={roles}
              value={entry.role === "" ? null : entry.role}
              error={field(`mapping[${String(at)}].role`)}
              onChange={(role) => {
                set(at, { role: role ?? "" });
              }}
            />
            <ActionIcon
              variant="subtle"
              color="gray"
              size={36}
              aria-label={`Remove group ${String(at + 1)}`}
              onClick={() => {
                change(value.filter((_, index) => index !== at));
              }}
            >
              <IconTrash size={16} />
            </ActionIcon>
          </Group>
        ))}
        <Group>
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconPlus size={14} aria-hidden />}
            onClick={() => {
              change([...value, { group: "", role: "" }]);
            }}
          >
            Another group
          </Button>
        </Group>
      </Stack>
    </Fieldset>
  );
}
