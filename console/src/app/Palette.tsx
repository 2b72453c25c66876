/// `Ctrl+K`: go somewhere, or do something, by typing.

import { Combobox, Group, Kbd, Loader, Modal, Text, TextInput, useCombobox } from "@mantine/core";
import { useSessionStorage } from "@mantine/hooks";
import { IconHistory, IconSearch } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";

import { useMe } from "../api/me";
import { Mixed, Names } from "../ui/Name";
import { closePalette, usePaletteIsOpen } from "./palette";
import classes from "./Palette.module.css";
import { useItems, type Item, type Section } from "./palette-items";

/** Things that were chosen before and can be gone to again. */
type Recent = { to: string; label: string };
const RECENT = 6;

export default function Palette({ help }: { help: () => void }) {
  const isOpen = usePaletteIsOpen();
  return (
    <Modal.Root opened={isOpen} onClose={closePalette} size={680} yOffset="12vh" zIndex={300}>
      <Modal.Overlay />
      <Modal.Content aria-label="Find or do something">{isOpen ? <Body help={help} /> : null}</Modal.Content>
    </Modal.Root>
  );
}

function Body({ help }: { help: () => void }) {
  const me = useMe();
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const [recent, keep] = useSessionStorage<Recent[]>({
    key: `quell.recent.${me.tenant.id}.${me.id}`,
    defaultValue: [],
    getInitialValueInEffect: false,
  });
  const { sections: found, isBusy } = useItems(text, help);
  const again: Section = {
    title: "Recent",
    items: recent.map(({ to, label }) => ({ id: `recent ${to}`, label, icon: IconHistory, to })),
  };
  const sections = (text.trim() === "" ? [again, ...found] : found).filter(({ items }) => items.length > 0);
  const items = sections.flatMap((section) => section.items);
  const box = useFirst(text, items);

  const choose = (id: string): void => {
    const item = items.find((each) => each.id === id);
    // What was found for other words waits for the answer to these.
    if (item === undefined || item.why !== undefined || item.isOld === true) return;
    closePalette();
    if (item.to === undefined) {
      item.run?.();
      return;
    }
    const { to, label } = item;
    keep([{ to, label }, ...recent.filter((each) => each.to !== to)].slice(0, RECENT));
    void navigate({ to });
  };
  return (
    <Combobox store={box.store} onOptionSubmit={choose}>
      <Combobox.EventsTarget>
        <TextInput
          data-autofocus
          aria-label="Find or do something"
          placeholder="isolate web-1, collect /etc/hosts from db-1, a name, a screen…"
          size="lg"
          variant="unstyled"
          className={classes.field ?? ""}
          leftSection={<IconSearch size={18} aria-hidden />}
          rightSection={isBusy ? <Loader size="xs" aria-label="Searching" /> : null}
          value={text}
          maxLength={300}
          spellCheck={false}
          autoComplete="off"
          onKeyDown={box.moved}
          onChange={(event) => {
            setText(event.currentTarget.value);
          }}
        />
      </Combobox.EventsTarget>
      <Combobox.Options className={classes.options ?? ""} aria-label="What is found" tabIndex={0}>
        {sections.map((section) => (
          <Combobox.Group key={section.title} label={section.title}>
            {section.items.map((item) => (
              <Row key={item.id} item={item} />
            ))}
          </Combobox.Group>
        ))}
        {items.length === 0 ? (
          <Combobox.Empty>
            {isBusy ? "Searching…" : "Nothing is found of that name, and no action begins so."}
          </Combobox.Empty>
        ) : null}
      </Combobox.Options>
      <Group className={classes.foot ?? ""} gap="md" visibleFrom="xs">
        <Text size="xs" c="dimmed">
          <Kbd size="xs">↑</Kbd> <Kbd size="xs">↓</Kbd> choose
        </Text>
        <Text size="xs" c="dimmed">
          <Kbd size="xs">Enter</Kbd> go, or begin: nothing is done before you confirm it
        </Text>
      </Group>
    </Combobox>
  );
}

function Row({ item }: { item: Item }) {
  const Shape = item.icon;
  return (
    <Combobox.Option
      value={item.id}
      disabled={item.why !== undefined}
      className={classes.option ?? ""}
      {...(item.isOld === true ? { "data-old": true, "aria-disabled": true } : {})}
    >
      <Group gap="sm" wrap="nowrap">
        <Shape size={18} className={classes.icon ?? ""} aria-hidden />
        <Text size="sm" fw={550} truncate component="bdi" className={classes.label ?? ""}>
          <Mixed>{item.label}</Mixed>
          {item.label}
          {item.names === undefined ? null : (
            <>
              {" "}
              <Names length={24}>{item.names}</Names>
            </>
          )}
        </Text>
        {item.why === undefined ? (
          <Text size="xs" c="dimmed" truncate ml="auto">
            {item.about}
          </Text>
        ) : null}
      </Group>
      {item.why === undefined ? null : (
        <Text size="xs" c="var(--quell-warn)" pl={30}>
          {item.why}
        </Text>
      )}
    </Combobox.Option>
  );
}

/** The first is chosen, and stays so while more is found, until one has moved. */
function useFirst(text: string, items: Item[]) {
  // The options stand in the dialog itself: always open.
  const store = useCombobox({ opened: true });
  const hasMoved = useRef(false);
  const shown = items.map(({ id }) => id).join("\n");
  const { selectFirstOption } = store;
  const first = useRef(selectFirstOption);
  useEffect(() => {
    first.current = selectFirstOption;
  });
  useEffect(() => {
    hasMoved.current = false;
  }, [text]);
  useEffect(() => {
    if (!hasMoved.current) first.current();
  }, [text, shown]);
  return {
    store,
    moved: (event: { key: string }) => {
      if (event.key.startsWith("Arrow")) hasMoved.current = true;
    },
  };
}
