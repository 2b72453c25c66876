/// What is not looked at: each with what must hold for it, and why.

import { ActionIcon, Group, NumberInput, Select, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useMemo, useState, type FormEvent } from "react";

import { Deed } from "../../../ui/Deed";
import { Name } from "../../../ui/Name";
import { Section } from "../../../ui/Section";
import { SmallTable } from "../../../ui/SmallTable";
import { clip, inert } from "../../../ui/text";
import { exclusionWords, whyNoExclusion, type Exclusion, type Rule, type Settings, type Titles } from "./settings";

/** The most that the server takes. */
const MOST = 500;
/** Rules that are offered at once; more are found by typing. */
const OFFERED = 100;

type Props = {
  settings: Settings;
  change: (settings: Settings) => void;
  why: string | undefined;
  rules: readonly Rule[] | undefined;
  titles: Titles;
};

export function Exclusions({ settings, change, why, rules, titles }: Props) {
  const { exclusions } = settings;
  return (
    <Stack gap="md" maw={960}>
      <Section
        title="Not looked at"
        about="An exclusion is a place to hide: keep it narrow, and say why it is there. What one names must all hold."
      >
        {exclusions.length === 0 ? (
          <Text size="sm">Everything is looked at.</Text>
        ) : (
          <SmallTable
            label="Exclusions"
            columns={[
              {
                title: "What",
                cell: ({ one }) =>
                  exclusionWords(one, titles).map((words, index) => (
                    <div key={index}>
                      <Name length={160}>{words}</Name>
                    </div>
                  )),
              },
              { title: "Why", cell: ({ one }) => <Name length={160}>{one.note}</Name> },
              {
                title: "Take it away",
                isUnseen: true,
                width: 50,
                cell: ({ one, at }) =>
                  why === undefined ? (
                    <ActionIcon
                      variant="default"
                      aria-label={`Take away: ${clip(inert(exclusionWords(one, titles).join(", ")), 80)}`}
                      onClick={() => {
                        change({ ...settings, exclusions: exclusions.filter((_, index) => index !== at) });
                      }}
                    >
                      <IconTrash size={16} />
                    </ActionIcon>
                  ) : null,
              },
            ]}
            rows={exclusions.map((one, at) => ({ one, at }))}
            of={({ at }) => at}
            minWidth={320}
          />
        )}
      </Section>
      {why === undefined ? (
        <Add
          rules={rules}
          isFull={exclusions.length >= MOST}
          add={(one) => {
            change({ ...settings, exclusions: [...exclusions, one] });
          }}
        />
      ) : null}
    </Stack>
  );
}

const EMPTY = { path: "", sha256: "", uid: "" as string | number, rule: null as string | null, note: "" };

type AddProps = { rules: readonly Rule[] | undefined; isFull: boolean; add: (exclusion: Exclusion) => void };

function Add({ rules, isFull, add }: AddProps) {
  const [typed, setTyped] = useState(EMPTY);
  const set = (part: Partial<typeof EMPTY>): void => {
    setTyped((before) => ({ ...before, ...part }));
  };
  const { path, sha256, uid, rule, note } = typed;
  const one: Exclusion = {
    ...(path.trim() === "" ? {} : { path: path.trim() }),
    ...(sha256.trim() === "" ? {} : { sha256: sha256.trim().toLowerCase() }),
    ...(typeof uid === "number" ? { uid } : {}),
    ...(rule === null ? {} : { rule }),
    note: note.trim(),
  };
  const isBegun = Object.keys(one).length > 1 || note !== "";
  const hinders = isFull ? `There are ${String(MOST)} already.` : whyNoExclusion(one);
  const choices = useMemo(
    // One name for two sets of YARA rules would be one choice.
    () => [...new Map(rules?.map(({ id, title }) => [id, { value: id, label: clip(inert(title), 100) }])).values()],
    [rules],
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (hinders !== undefined) return;
    add(one);
    setTyped(EMPTY);
  };
  return (
    <Section title="Add an exclusion">
      <form onSubmit={submit} aria-label="Add an exclusion">
        <Stack gap="sm">
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <TextInput
              label="Path"
              description="Of the program, or of the file. With “/” at its end: everything below."
              maxLength={4096}
              spellCheck={false}
              autoComplete="off"
              value={path}
              onChange={(event) => {
                set({ path: event.currentTarget.value });
              }}
            />
            <TextInput
              label="SHA-256"
              description="Of the program, or of the file."
              maxLength={64}
              spellCheck={false}
              autoComplete="off"
              value={sha256}
              onChange={(event) => {
                set({ sha256: event.currentTarget.value });
              }}
            />
            <Select
              label="Rule"
              description="For this one alone; for every rule where none is chosen."
              data={choices}
              limit={OFFERED}
              searchable
              clearable
              nothingFoundMessage="No rule is called that."
              value={rule}
              onChange={(next) => {
                set({ rule: next });
              }}
            />
            <NumberInput
              label="User id"
              description="Of the process; any user where it is empty."
              min={0}
              max={4_294_967_295}
              allowDecimal={false}
              allowNegative={false}
              value={uid}
              onChange={(next) => {
                set({ uid: next });
              }}
            />
          </SimpleGrid>
          <TextInput
            label="Why"
            description="People read it: what needs this, and who asked for it."
            maxLength={500}
            value={note}
            onChange={(event) => {
              set({ note: event.currentTarget.value });
            }}
          />
          <Group justify="flex-end" gap="sm">
            {isBegun && hinders !== undefined ? (
              <Text size="sm" c="dimmed">
                {hinders}
              </Text>
            ) : null}
            <Deed type="submit" variant="default" leftSection={<IconPlus size={16} aria-hidden />} why={hinders}>
              Add
            </Deed>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
