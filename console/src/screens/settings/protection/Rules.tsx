/// Which rules are in force: sets that come with Quell and of the library, and single rules of them.

import { ActionIcon, Anchor, Group, SimpleGrid, Stack, Switch, Text } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import type { Schemas } from "../../../api/client";
import { pickers } from "../../../form/references";
import { Deed } from "../../../ui/Deed";
import { Name } from "../../../ui/Name";
import { Section } from "../../../ui/Section";
import { SmallTable } from "../../../ui/SmallTable";
import { clip, inert } from "../../../ui/text";
import { RuleTable } from "./RuleTable";
import { KIND_OF, nameOf, withSet, withSets, type Ruled, type Settings } from "./settings";
import type { useRules } from "./useProtection";

type Props = {
  settings: Settings;
  change: (settings: Settings) => void;
  why: string | undefined;
  rules: ReturnType<typeof useRules>;
  newer: Schemas["NewerRules"][];
};

const SETS: { source: Ruled; title: string; about: string }[] = [
  {
    source: "behaviour",
    title: "Sets of behaviour rules",
    about: "Sigma rules of the library, beside those that come with Quell.",
  },
  {
    source: "yara",
    title: "Sets of YARA rules",
    about: "Applied to what is started, and to programs that are written.",
  },
];

export function Rules({ settings, change, why, rules, newer }: Props) {
  return (
    <Stack gap="md">
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        {SETS.map(({ source, title, about }) => (
          <Section
            key={source}
            title={title}
            about={
              <>
                {about} A later version of one changes nothing until it is set here. They are written in the{" "}
                <Anchor component={Link} to={`/library?kind=${KIND_OF[source]}`} inherit underline="always">
                  library
                </Anchor>
                .
              </>
            }
          >
            <Stack gap="sm">
              {source === "behaviour" ? (
                <Switch
                  label="Rules that come with Quell"
                  checked={settings.behaviour.built_in}
                  disabled={why !== undefined}
                  onChange={(event) => {
                    const { behaviour } = settings;
                    change({ ...settings, behaviour: { ...behaviour, built_in: event.currentTarget.checked } });
                  }}
                />
              ) : null}
              <Sets source={source} settings={settings} change={change} why={why} newer={newer} />
              {why === undefined ? <AddSet source={source} settings={settings} change={change} /> : null}
            </Stack>
          </Section>
        ))}
      </SimpleGrid>
      <RuleTable settings={settings} change={change} why={why} rules={rules} />
    </Stack>
  );
}

type SetsProps = Omit<Props, "rules"> & { source: Ruled };

function Sets({ source, settings, change, why, newer }: SetsProps) {
  const sets = settings[source].rules;
  const kind = KIND_OF[source];
  if (sets.length === 0)
    return (
      <Text size="sm" c="dimmed">
        None of the library is in force.
      </Text>
    );
  return (
    <SmallTable
      label={source === "yara" ? "YARA rules of the library" : "Behaviour rules of the library"}
      columns={[
        {
          title: "Set",
          cell: (set) => (
            <Anchor component={Link} to={`/library/${kind}/${encodeURIComponent(nameOf(set))}`} size="sm">
              <Name length={60}>{nameOf(set)}</Name>
            </Anchor>
          ),
        },
        {
          title: "Version",
          cell: (set) => {
            const known = newer.find((each) => each.kind === kind && each.set === set);
            const version = set.includes("@") ? (set.split("@")[1] ?? "") : "the newest";
            return (
              <Group gap="xs">
                <span>{version}</span>
                {known === undefined ? null : known.archived ? (
                  <Text size="sm" c="var(--quell-warn)">
                    archived in the library
                  </Text>
                ) : (
                  <Deed
                    size="compact-xs"
                    variant="default"
                    why={why}
                    onClick={() => {
                      change(withSet(settings, source, `${nameOf(set)}@${String(known.latest)}`));
                    }}
                  >
                    Take version {known.latest}
                  </Deed>
                )}
              </Group>
            );
          },
        },
        {
          title: "Take it out",
          isUnseen: true,
          width: 50,
          cell: (set) =>
            why === undefined ? (
              <ActionIcon
                variant="default"
                aria-label={`Take ${clip(inert(nameOf(set)), 60)} out`}
                onClick={() => {
                  change(
                    withSets(
                      settings,
                      source,
                      sets.filter((each) => each !== set),
                    ),
                  );
                }}
              >
                <IconTrash size={16} />
              </ActionIcon>
            ) : null,
        },
      ]}
      rows={sets}
      of={(set) => set}
    />
  );
}

function AddSet({ source, settings, change }: Pick<SetsProps, "source" | "settings" | "change">) {
  const [set, choose] = useState("");
  const Picker = pickers[KIND_OF[source]];
  if (Picker === undefined) return null;
  return (
    <Group gap="xs" align="flex-end">
      <div style={{ flex: "1 1 260px" }}>
        <Picker
          label={source === "yara" ? "Add YARA rules" : "Add behaviour rules"}
          required={false}
          data-path={source}
          value={set}
          change={choose}
        />
      </div>
      <Deed
        variant="default"
        leftSection={<IconPlus size={16} aria-hidden />}
        why={set === "" ? "Choose a set first." : undefined}
        onClick={() => {
          change(withSet(settings, source, set));
          choose("");
        }}
      >
        Add
      </Deed>
    </Group>
  );
}
