/// Words of the address that are not understood, said above the list that they do not filter.

import { Button, Group } from "@mantine/core";

import type { Odd as Word } from "../app/rules";
import { useFilters } from "../app/url";
import { Note } from "./Note";
import { clip, inert } from "./text";

export function Odd({ words }: { words: Word[] }) {
  const [, set] = useFilters();
  if (words.length === 0) return null;
  const told = words.map(({ name, value }) => `${name}=${clip(inert(value), 60)}`);
  return (
    <Group mb="sm" role="status">
      <Note tone="warn">
        {told.map((word, index) => (
          <span key={word}>
            {index > 0 ? ", " : ""}
            <code>{word}</code>
          </span>
        ))}{" "}
        {words.length === 1 ? "is" : "are"} not understood and not applied.{" "}
        <Button
          variant="default"
          size="compact-xs"
          onClick={() => {
            set(Object.fromEntries(words.map(({ name }) => [name, undefined])));
          }}
        >
          Leave {words.length === 1 ? "it" : "them"} out
        </Button>
      </Note>
    </Group>
  );
}
