/// How the protection stands: which version, who has it, what hinders it, and what is newer in the library.

import { Button, Group, Stack, Text } from "@mantine/core";

import { Deed } from "../../../ui/Deed";
import { Name } from "../../../ui/Name";
import { Note } from "../../../ui/Note";
import { count } from "../../../ui/text";
import { Time } from "../../../ui/Time";
import { nameOf, withSet, type Settings } from "./settings";
import type { Protection } from "./useProtection";

type Props = {
  protection: Protection;
  settings: Settings;
  change: (settings: Settings) => void;
  why: string | undefined;
  open: (tab: string) => void;
};

export function Standing({ protection, settings, change, why, open }: Props) {
  const { version, changed_by: by, changed_at: at, rules, endpoints } = protection;
  const without = endpoints.total - endpoints.current;
  return (
    <Stack gap="xs" mb="md">
      <Group gap="md">
        <Text size="sm">
          Version <b>{version}</b>, by <Name length={40}>{by}</Name> <Time at={at} />
        </Text>
        <Text size="sm">
          {count(rules.behaviour, "behaviour rule")}, {count(rules.yara, "YARA rule")}; {rules.prevent} of them prevent
        </Text>
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => {
            open("endpoints");
          }}
        >
          {endpoints.total === 0
            ? "No endpoint is here yet"
            : without === 0
              ? `In force on all ${count(endpoints.total, "endpoint")}`
              : `Not in force on ${String(without)} of ${count(endpoints.total, "endpoint")}`}
        </Button>
      </Group>
      <Unpublished protection={protection} />
      <Newer protection={protection} settings={settings} change={change} why={why} />
    </Stack>
  );
}

function Unpublished({ protection }: { protection: Protection }) {
  if (protection.published) return null;
  const given = protection.published_version;
  return (
    <Note tone="warn" title={`Agents are not given version ${String(protection.version)} yet`}>
      <Name length={400}>{protection.problem ?? "It is not signed yet."}</Name>{" "}
      {given == null ? "They are given none." : `They keep version ${String(given)}.`} It is tried again by itself.
    </Note>
  );
}

/** Sets of which the library has a newer version; those that are taken in the draft already are left out. */
function Newer({ protection, settings, change, why }: Omit<Props, "open">) {
  const newer = protection.newer.filter(
    ({ kind, set, archived }) => !archived && settings[kind === "yara" ? "yara" : "behaviour"].rules.includes(set),
  );
  if (newer.length === 0) return null;
  const take = (): void => {
    change(
      newer.reduce(
        (all, { kind, set, latest }) =>
          withSet(all, kind === "yara" ? "yara" : "behaviour", `${nameOf(set)}@${String(latest)}`),
        settings,
      ),
    );
  };
  return (
    <Note title="The library has newer rules">
      <Group gap="xs" justify="space-between">
        <span>
          {newer.map(({ kind, set, latest }, index) => (
            <span key={`${kind} ${set}`}>
              {index > 0 ? ", " : ""}
              <Name length={60}>{set}</Name>: version {latest}
            </span>
          ))}
        </span>
        <Deed size="compact-sm" variant="default" why={why} onClick={take}>
          Take {newer.length === 1 ? "it" : "them"}
        </Deed>
      </Group>
    </Note>
  );
}
