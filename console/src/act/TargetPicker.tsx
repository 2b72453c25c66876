/// On what: endpoints found by the server as one types, all with a tag, or every one.

import {
  Alert,
  Combobox,
  Group,
  Loader,
  Pill,
  PillsInput,
  SegmentedControl,
  Stack,
  TagsInput,
  Text,
  useCombobox,
} from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconAlertTriangle } from "@tabler/icons-react";
import { Fragment, useState, type ClipboardEvent, type KeyboardEvent } from "react";

import { asApiError } from "../api/problem";
import { Name } from "../ui/Name";
import { clip, count, inert } from "../ui/text";
import type { By, Draft } from "./draft";
import { useEndpointSearch, useKnown, type Known } from "./known";

/** Chosen endpoints that are drawn by name. */
const DRAWN = 24;

type Props = {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
  error: string | undefined;
};

export function TargetPicker({ draft, change, error }: Props) {
  return (
    <Stack gap="xs">
      <Group justify="space-between" gap="xs">
        <Text fw={600} size="sm" id="act-targets">
          On what
        </Text>
        <SegmentedControl
          size="xs"
          aria-labelledby="act-targets"
          value={draft.by}
          onChange={(by) => {
            change({ by: by as By });
          }}
          data={[
            { value: "endpoints", label: "Endpoints" },
            { value: "tags", label: "By tags" },
            { value: "all", label: "All" },
          ]}
        />
      </Group>
      {draft.by === "endpoints" ? (
        <Endpoints
          chosen={draft.endpoints}
          change={(endpoints) => {
            change({ endpoints });
          }}
          error={error}
        />
      ) : draft.by === "tags" ? (
        <TagsInput
          aria-label="Tags"
          description="Every active endpoint with any of these tags. Enter ends a tag."
          maxTags={32}
          value={draft.tags}
          onChange={(tags) => {
            change({ tags });
          }}
          {...(error === undefined ? {} : { error })}
        />
      ) : (
        <Alert color="orange" variant="default" icon={<IconAlertTriangle aria-hidden />} p="xs">
          <Text size="sm">Every active endpoint of this tenant. You will be asked for their number.</Text>
        </Alert>
      )}
    </Stack>
  );
}

/** Names or ids that were pasted from elsewhere, or nothing where the text is one word. */
function pasted(text: string): string[] | undefined {
  const names = text.split(/[\r\n,;\t]+/).map((name) => name.trim());
  const filled = names.filter((name) => name !== "");
  return filled.length > 1 ? filled : undefined;
}

function Endpoints({
  chosen,
  change,
  error,
}: {
  chosen: string[];
  change: (ids: string[]) => void;
  error: string | undefined;
}) {
  const [text, setText] = useState("");
  const [asked] = useDebouncedValue(text.trim(), 180);
  const box = useCombobox({
    onDropdownClose: () => {
      box.resetSelectedOption();
    },
  });
  const search = useEndpointSearch(asked, box.dropdownOpened);
  const known = useKnown(chosen.slice(0, DRAWN));
  const found = search.rows.filter((row) => !chosen.includes(row.id) && !chosen.includes(row.name));
  // Found for other words than stand in the field: shown, but not to be taken.
  const isOld = asked !== text.trim() || search.isOld;
  const add = (id: string): void => {
    if (isOld) return;
    change([...chosen, id]);
    setText("");
    // What comes next on the screen is not covered; typing opens it again.
    box.closeDropdown();
  };
  const paste = (event: ClipboardEvent): void => {
    const names = pasted(event.clipboardData.getData("text"));
    if (names === undefined) return;
    event.preventDefault();
    change([...new Set([...chosen, ...names])]);
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Backspace" && text === "" && chosen.length > 0) {
      event.preventDefault();
      change(chosen.slice(0, -1));
    }
    // What is found comes first; a word that nothing was found for is not taken.
    if (event.key === "Enter" && !event.ctrlKey && box.getSelectedOptionIndex() === -1) {
      event.preventDefault();
      const [first] = found;
      if (text.trim() !== "" && first !== undefined) add(first.id);
    }
  };
  return (
    <Combobox store={box} onOptionSubmit={add}>
      <Combobox.DropdownTarget>
        <PillsInput
          onClick={() => {
            box.openDropdown();
          }}
          {...(error === undefined ? {} : { error })}
          rightSection={search.isFetching ? <Loader size="xs" aria-label="Searching" /> : null}
        >
          <Pill.Group>
            {chosen.slice(0, DRAWN).map((id) => (
              <Chosen
                key={id}
                id={id}
                known={known.get(id)}
                remove={() => {
                  change(chosen.filter((each) => each !== id));
                }}
              />
            ))}
            {chosen.length > DRAWN ? (
              <Pill
                withRemoveButton
                removeButtonProps={{
                  "aria-label": "Remove those that are not shown",
                  "aria-hidden": false,
                  tabIndex: 0,
                }}
                onRemove={() => {
                  change(chosen.slice(0, DRAWN));
                }}
              >
                and {count(chosen.length - DRAWN, "other")}
              </Pill>
            ) : null}
            <Combobox.EventsTarget>
              <PillsInput.Field
                aria-label="Add an endpoint"
                placeholder={
                  chosen.length === 0 ? "Name, address, person or tag; or paste a list of names" : "Add another"
                }
                value={text}
                maxLength={200}
                data-path="targets"
                onFocus={() => {
                  if (chosen.length === 0) box.openDropdown();
                }}
                onBlur={() => {
                  box.closeDropdown();
                }}
                onPaste={paste}
                onKeyDown={keys}
                onChange={(event) => {
                  setText(event.currentTarget.value);
                  box.openDropdown();
                  box.resetSelectedOption();
                }}
              />
            </Combobox.EventsTarget>
          </Pill.Group>
        </PillsInput>
      </Combobox.DropdownTarget>
      <Combobox.Dropdown hidden={!box.dropdownOpened}>
        <Combobox.Options mah={280} style={{ overflowY: "auto" }} aria-label="Endpoints">
          {found.map((row) => (
            <Combobox.Option key={row.id} value={row.id} disabled={isOld}>
              <Group justify="space-between" gap="xs" wrap="nowrap">
                <Text size="sm" fw={550} truncate>
                  <Name length={60}>{row.name}</Name>
                </Text>
                <Text size="xs" c="dimmed" truncate>
                  {about(row).map((part, index) => (
                    <Fragment key={index}>
                      {index > 0 ? " · " : null}
                      <bdi>{part}</bdi>
                    </Fragment>
                  ))}
                </Text>
              </Group>
            </Combobox.Option>
          ))}
          {found.length === 0 ? (
            <Combobox.Empty>
              {search.error !== null
                ? asApiError(search.error).message
                : search.isPending || isOld
                  ? "Searching…"
                  : asked === ""
                    ? "No other endpoint is there."
                    : "No active endpoint has this in its name, address, people or tags."}
            </Combobox.Empty>
          ) : null}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}

function about(row: Known): string[] {
  return [
    row.connected ? "connected" : "offline",
    ...(row.isolated ? ["isolated"] : []),
    ...row.loggedOn.slice(0, 2).map((who) => clip(inert(who), 24)),
    ...row.addresses.slice(0, 1).map((address) => clip(inert(address), 48)),
  ];
}

function Chosen({ id, known, remove }: { id: string; known: Known | undefined; remove: () => void }) {
  const name = clip(inert(known?.name ?? id), 40);
  return (
    <Pill
      withRemoveButton
      onRemove={remove}
      removeButtonProps={{ "aria-label": `Remove ${name}`, "aria-hidden": false, tabIndex: 0 }}
      {...(known?.connected === false ? { c: "var(--quell-warn)" } : {})}
    >
      <Name length={40}>{known?.name ?? id}</Name>
      {known?.connected === false ? " · offline" : ""}
    </Pill>
  );
}
