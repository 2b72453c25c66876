/// The bar above a list: a search, choices, saved views. All of it stands in the address.

import {
  ActionIcon,
  Button,
  Divider,
  Group,
  Menu,
  MultiSelect,
  Popover,
  Select,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import { useDebouncedCallback, useMediaQuery } from "@mantine/hooks";
import { IconBookmark, IconDownload, IconFilter, IconTrash, IconX } from "@tabler/icons-react";
import { useEffect, useRef, useState, type ReactNode } from "react";

import { useSetting } from "../api/settings";
import { useFilters, writeSearch, type Search } from "../app/url";
import { SearchInput } from "./SearchInput";
import { clip, inert } from "./text";

/** One choice of the bar; its value stands under `name` in the address, several with commas. */
export type Choice = {
  name: string;
  label: string;
  options: { value: string; label: string }[];
  isMany?: boolean;
  width?: number;
};

type Props = {
  search?: string;
  choices?: Choice[];
  views?: string;
  /** Choices of another kind, and the words of the address that they set. */
  children?: ReactNode;
  own?: string[];
};

/** `search` names the word of the address that the text goes to; `views` is under which name views are saved. */
export function Filters({ search, choices = [], views, children, own = [] }: Props) {
  const [filters, set] = useFilters();
  const isNarrow = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const [isOpen, setOpen] = useState(false);
  const names = [search, ...choices.map((choice) => choice.name), ...own].filter((name) => name !== undefined);
  const chosen = names.filter((name) => name !== search && filters[name]).length;
  const isFiltered = names.some((name) => filters[name]);
  const clear = (): void => {
    set(Object.fromEntries(names.map((name) => [name, undefined])));
  };
  // On a phone the list is what one came for.
  const isFolded = isNarrow && !isOpen && choices.length + own.length > 0;
  const fold = (
    <Button
      variant="default"
      leftSection={<IconFilter size={16} aria-hidden />}
      aria-expanded={isOpen}
      onClick={() => {
        setOpen(!isOpen);
      }}
    >
      Filters{chosen > 0 ? ` (${String(chosen)})` : ""}
    </Button>
  );
  return (
    <Group gap="xs" mb="sm" align="flex-end">
      {search === undefined ? null : (
        <SearchBox
          value={filters[search] ?? ""}
          change={(text) => {
            set({ [search]: text === "" ? undefined : text });
          }}
        />
      )}
      {isNarrow && choices.length + own.length > 0 ? fold : null}
      {isFolded
        ? null
        : choices.map((choice) => (
            <ChoiceBox
              key={choice.name}
              choice={choice}
              value={filters[choice.name]}
              change={(value) => {
                set({ [choice.name]: value });
              }}
            />
          ))}
      {isFolded ? null : children}
      {isFiltered ? (
        <Button variant="subtle" size="sm" onClick={clear} leftSection={<IconX size={14} aria-hidden />}>
          Clear
        </Button>
      ) : null}
      {views === undefined ? null : <Views name={views} />}
    </Group>
  );
}

function SearchBox({ value, change }: { value: string; change: (text: string) => void }) {
  const [text, setText] = useState(value);
  const box = useRef<HTMLInputElement>(null);
  const soon = useDebouncedCallback(change, 250);
  // The address changed by other means: a view was chosen, the way back was taken.
  useEffect(() => {
    if (document.activeElement !== box.current) setText(value);
  }, [value]);
  return (
    <SearchInput
      ref={box}
      isMain
      label="Search"
      value={text}
      w={260}
      change={(next) => {
        setText(next);
        soon(next);
      }}
    />
  );
}

function ChoiceBox({
  choice,
  value,
  change,
}: {
  choice: Choice;
  value: string | undefined;
  change: (value: string | undefined) => void;
}) {
  const common = {
    "aria-label": choice.label,
    placeholder: choice.label,
    data: choice.options,
    clearable: true,
    searchable: choice.options.length > 8,
  };
  if (choice.isMany) {
    const values = value === undefined || value === "" ? [] : value.split(",");
    return (
      <MultiSelect
        {...common}
        // The place to type in shares the line with what is chosen.
        styles={{ inputField: { minWidth: 24 } }}
        {...(values.length > 0 ? { placeholder: "" } : {})}
        value={values}
        onChange={(next) => {
          change(next.length === 0 ? undefined : next.join(","));
        }}
        w={choice.width ?? 200}
      />
    );
  }
  return (
    <Select
      {...common}
      value={value ?? null}
      onChange={(next) => {
        change(next ?? undefined);
      }}
      w={choice.width ?? 180}
    />
  );
}

type View = { name: string; search: Search };

function Views({ name }: { name: string }) {
  const [filters, set] = useFilters();
  const [views, save] = useSetting<View[]>(`views.${name}`, []);
  const [title, setTitle] = useState("");
  const [isOpen, setOpen] = useState(false);
  const now = writeSearch(filters);
  const add = (): void => {
    const trimmed = title.trim();
    if (trimmed === "") return;
    save([...views.filter((view) => view.name !== trimmed), { name: trimmed, search: filters }].slice(-50));
    setTitle("");
  };
  const blank = Object.fromEntries(Object.keys(filters).map((key) => [key, undefined]));
  return (
    <Popover position="bottom-start" trapFocus returnFocus width={300} opened={isOpen} onChange={setOpen}>
      <Popover.Target>
        <Button
          variant="default"
          leftSection={<IconBookmark size={16} aria-hidden />}
          onClick={() => {
            setOpen(!isOpen);
          }}
        >
          Views
        </Button>
      </Popover.Target>
      <Popover.Dropdown p={6}>
        {views.length === 0 ? (
          <Text size="sm" p={6}>
            No view is saved. Filter the list, then name what you see.
          </Text>
        ) : null}
        <Stack component="ul" gap={2} m={0} p={0} mah={320} style={{ overflowY: "auto", listStyle: "none" }}>
          {views.map((view) => (
            <Group component="li" key={view.name} gap={4} wrap="nowrap">
              <Button
                variant="subtle"
                color="gray"
                c="inherit"
                size="compact-md"
                flex={1}
                miw={0}
                justify="flex-start"
                aria-current={writeSearch(view.search) === now}
                fw={writeSearch(view.search) === now ? 700 : 400}
                onClick={() => {
                  set({ ...blank, ...view.search });
                }}
              >
                {clip(inert(view.name), 60)}
              </Button>
              <ActionIcon
                variant="subtle"
                color="gray"
                aria-label={`Remove the view ${clip(inert(view.name), 60)}`}
                onClick={() => {
                  save(views.filter((each) => each !== view));
                }}
              >
                <IconTrash size={14} />
              </ActionIcon>
            </Group>
          ))}
        </Stack>
        <Divider my={6} />
        <Group gap={6} wrap="nowrap">
          <TextInput
            flex={1}
            size="xs"
            aria-label="Name of the view"
            placeholder="Save this as…"
            maxLength={60}
            value={title}
            onChange={(event) => {
              setTitle(event.currentTarget.value);
            }}
            onKeyDown={(event) => {
              if (event.key === "Enter") add();
            }}
          />
          <Button size="xs" onClick={add}>
            Save
          </Button>
        </Group>
      </Popover.Dropdown>
    </Popover>
  );
}

/** What is listed, as a file. The server writes it, without limit of rows, inert in spreadsheets. */
export function Export({
  path,
  query,
  more = [],
}: {
  path: string;
  query: Search;
  /** Other forms that this list comes in. */
  more?: { format: string; label: string }[];
}) {
  const link = (format: string): string => `${path}${writeSearch({ ...query, format })}`;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="default" size="md" aria-label="Export" data-hint="Export what is listed">
          <IconDownload size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component="a" href={link("csv")} download>
          CSV
        </Menu.Item>
        <Menu.Item component="a" href={link("jsonl")} download>
          JSON lines
        </Menu.Item>
        {more.map(({ format, label }) => (
          <Menu.Item key={format} component="a" href={link(format)} download>
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
