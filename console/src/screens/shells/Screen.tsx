/// The terminal as it stands on a page: it takes every key but a few that are said beside it, and can be searched and copied
/// from.

import { ActionIcon, Box, Button, Group, Kbd, Switch, Text, TextInput, Tooltip, VisuallyHidden } from "@mantine/core";
import { useId } from "@mantine/hooks";
import { IconArrowDown, IconArrowUp, IconCopy, IconSearch, IconX } from "@tabler/icons-react";
import { useEffect, useRef, useState, type ReactNode, type RefObject } from "react";

import { tell } from "../../ui/tell";
import type { Paper } from "./paper";
import classes from "./Shells.module.css";
import { useReader } from "./usePaper";

type Props = {
  label: string;
  box: RefObject<HTMLDivElement | null>;
  paper: Paper | undefined;
  height: number;
  /** Whether keys go into it, so that a way out is to be told. */
  takesKeys: boolean;
  /** Beside the tools. */
  children?: ReactNode;
};

/** Pixels that the search takes. */
const FINDER = 36;

/** Copies what is selected; the older way where the page has no clipboard, as without TLS. */
function copy({ terminal }: Paper): void {
  const text = terminal.getSelection();
  const clipboard = (navigator as Partial<Navigator>).clipboard;
  if (text === "") return;
  if (clipboard !== undefined) void clipboard.writeText(text).catch(tell);
  else document.execCommand("copy");
}

export function Screen({ label, box, paper, height, takesKeys, children }: Props) {
  const [isSearching, setSearching] = useState(false);
  const [hasSelection, setSelection] = useState(false);
  const [forReader, setReader] = useReader();
  const tools = useRef<HTMLDivElement>(null);
  const about = useId();
  useEffect(() => {
    const element = box.current;
    if (paper === undefined || element === null) return undefined;
    const { terminal } = paper;
    terminal.textarea?.setAttribute("aria-label", label);
    terminal.textarea?.setAttribute("aria-describedby", about);
    terminal.attachCustomKeyEventHandler((event) => {
      if (!event.ctrlKey || !event.shiftKey || event.altKey) return true;
      const deed = { KeyL: leave, KeyF: search, KeyC: take }[event.code];
      if (deed === undefined) return event.code !== "KeyV";
      event.preventDefault();
      if (event.type === "keydown") deed();
      return false;
    });
    function leave(): void {
      tools.current?.querySelector<HTMLElement>("button, input")?.focus();
    }
    function search(): void {
      setSearching(true);
    }
    function take(): void {
      if (paper !== undefined) copy(paper);
    }
    const selected = terminal.onSelectionChange(() => {
      setSelection(terminal.hasSelection());
    });
    // The keys of the page are not meant while one types here.
    const keep = (event: KeyboardEvent): void => {
      event.stopPropagation();
    };
    element.addEventListener("keydown", keep);
    return () => {
      selected.dispose();
      element.removeEventListener("keydown", keep);
    };
  }, [paper, box, label, about]);
  return (
    <Box>
      <Group gap="xs" mb={6} ref={tools} justify="space-between">
        <Group gap="xs">
          <Button
            size="xs"
            variant="default"
            leftSection={<IconSearch size={14} aria-hidden />}
            aria-expanded={isSearching}
            onClick={() => {
              setSearching(!isSearching);
            }}
          >
            Search
          </Button>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconCopy size={14} aria-hidden />}
            disabled={!hasSelection}
            onClick={() => {
              if (paper !== undefined) copy(paper);
            }}
          >
            Copy
          </Button>
          <Switch
            size="sm"
            label="Read it out"
            checked={forReader}
            onChange={(event) => {
              setReader(event.currentTarget.checked);
            }}
          />
        </Group>
        {children}
      </Group>
      {isSearching && paper !== undefined ? (
        <Finder
          paper={paper}
          close={() => {
            setSearching(false);
            paper.search.clearDecorations();
            paper.terminal.focus();
          }}
        />
      ) : null}
      <section
        aria-label={label}
        className={classes.frame}
        style={{ height: isSearching ? height - FINDER : height }}
        data-testid="terminal"
      >
        <div ref={box} className={classes.screen} />
      </section>
      <Text size="xs" c="dimmed" mt={4} id={about} className={classes.keys ?? ""}>
        {takesKeys ? (
          <>
            <Kbd>Ctrl+Shift+L</Kbd> leaves the terminal, <Kbd>Ctrl+Shift+C</Kbd> copies, <Kbd>Ctrl+Shift+V</Kbd> pastes,{" "}
            <Kbd>Ctrl+Shift+F</Kbd> searches. All other keys go into the shell.
          </>
        ) : (
          <>
            Nothing is typed here. <Kbd>Ctrl+Shift+L</Kbd> leaves the terminal.
          </>
        )}
      </Text>
    </Box>
  );
}

/** A search in what can be scrolled back to. */
function Finder({ paper, close }: { paper: Paper; close: () => void }) {
  const [text, setText] = useState("");
  const [isFound, setFound] = useState(true);
  const find = (direction: "findNext" | "findPrevious", wanted = text, incremental = false): void => {
    if (wanted !== "") setFound(paper.search[direction](wanted, { incremental }));
  };
  return (
    <Group gap={6} mb={6} role="search" aria-label="Search the terminal">
      <TextInput
        size="xs"
        w={260}
        autoFocus
        aria-label="Text to look for"
        placeholder="In what can be scrolled back to"
        maxLength={200}
        spellCheck={false}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          find("findPrevious", event.currentTarget.value, true);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") find(event.shiftKey ? "findNext" : "findPrevious");
          if (event.key === "Escape") close();
        }}
      />
      {(
        [
          ["findPrevious", "Before", IconArrowUp],
          ["findNext", "After", IconArrowDown],
        ] as const
      ).map(([direction, words, Shape]) => (
        <Tooltip key={direction} label={words}>
          <ActionIcon
            variant="default"
            aria-label={words}
            onClick={() => {
              find(direction);
            }}
          >
            <Shape size={16} />
          </ActionIcon>
        </Tooltip>
      ))}
      <ActionIcon variant="subtle" color="gray" aria-label="Close the search" onClick={close}>
        <IconX size={16} />
      </ActionIcon>
      <Text size="xs" c="dimmed" role="status">
        {text === "" || isFound ? <VisuallyHidden>found</VisuallyHidden> : "not found"}
      </Text>
    </Group>
  );
}
