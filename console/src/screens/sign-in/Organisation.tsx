/// Signing in the organisation's way: what is offered to everybody, what was used here before, and by name.

import { ActionIcon, Anchor, Button, Group, Stack, TextInput } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { IconBuilding, IconX } from "@tabler/icons-react";
import { useState, type FormEvent } from "react";

import { $api } from "../../api/client";
import { readProblem, unreachable } from "../../api/problem";
import { Failure } from "../../ui/Failure";
import { clip, inert } from "../../ui/text";

type Way = { tenant: string; name: string; path: string };

/** Ways that are remembered at most. */
const KEPT = 5;

function pathOf(tenant: string, provider: string): string {
  return `/api/v1/sso/start/${encodeURIComponent(tenant)}/${encodeURIComponent(provider)}`;
}

/** Looks first, so that a name that is wrong is told here and not on a page of its own. */
async function begin(way: Way, goal: string): Promise<void> {
  const address = `${way.path}?return=${encodeURIComponent(goal)}`;
  const answer = await fetch(address, { redirect: "manual" }).catch(() => {
    throw unreachable();
  });
  if (answer.type !== "opaqueredirect" && answer.status !== 502) throw await readProblem(answer);
  window.location.assign(address);
}

export function Organisation({ goal }: { goal: string }) {
  const offered = $api.useQuery("get", "/api/v1/sso/offered", undefined, { staleTime: 60_000, retry: false });
  const [used, setUsed] = useLocalStorage<Way[]>({
    key: "quell.sign-in.organisations",
    defaultValue: [],
    getInitialValueInEffect: false,
  });
  const [isAsking, setAsking] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const named = offered.data?.items ?? [];
  const ways = [...named, ...used.filter((way) => !named.some((other) => other.path === way.path))];
  const go = async (way: Way, isNew: boolean): Promise<void> => {
    setError(null);
    try {
      await begin(way, goal);
      if (isNew) setUsed((before) => [way, ...before.filter((other) => other.path !== way.path)].slice(0, KEPT));
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <Stack gap="xs">
      {ways.map((way) => (
        <Group key={way.path} gap={4} wrap="nowrap">
          <Button
            variant="default"
            fullWidth
            leftSection={<IconBuilding size={16} aria-hidden />}
            onClick={() => void go(way, false)}
          >
            {clip(inert(way.tenant), 24)} · {clip(inert(way.name), 24)}
          </Button>
          {named.includes(way) ? null : (
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={`Forget ${clip(inert(way.tenant), 40)} ${clip(inert(way.name), 40)}`}
              onClick={() => {
                setUsed(used.filter((other) => other.path !== way.path));
              }}
            >
              <IconX size={16} />
            </ActionIcon>
          )}
        </Group>
      ))}
      {isAsking ? (
        <ByName go={(way) => void go(way, true)} />
      ) : (
        <Anchor
          component="button"
          type="button"
          size="sm"
          ta="center"
          py={4}
          onClick={() => {
            setAsking(true);
          }}
        >
          {ways.length === 0 ? "Single sign-on of your organisation" : "Another organisation"}
        </Anchor>
      )}
      <Failure error={error} />
    </Stack>
  );
}

function ByName({ go }: { go: (way: Way) => void }) {
  const [tenant, setTenant] = useState("");
  const [provider, setProvider] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const [place, name] = [tenant.trim(), provider.trim()];
    if (place !== "" && name !== "") go({ tenant: place, name, path: pathOf(place, name) });
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="xs">
        <TextInput
          autoFocus
          required
          label="Organisation"
          description="The name of the tenant, as your administrator told you."
          maxLength={100}
          value={tenant}
          onChange={(event) => {
            setTenant(event.currentTarget.value);
          }}
        />
        <TextInput
          required
          label="Provider"
          description="Such as keycloak."
          maxLength={40}
          value={provider}
          onChange={(event) => {
            setProvider(event.currentTarget.value);
          }}
        />
        <Button type="submit" variant="default">
          Go to its sign-in
        </Button>
      </Stack>
    </form>
  );
}
