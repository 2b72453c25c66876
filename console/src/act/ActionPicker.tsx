/// Which action: found by typing, with what kind of deed it is; what may not be asked for says why.

import { Combobox, Group, Stack, Text, TextInput, useCombobox } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useEffect, useMemo, useRef, useState } from "react";

import { useMe, whyNot } from "../api/me";
import { labelOf } from "../form/schema";
import classes from "./act.module.css";
import type { Action } from "./draft";
import { Marks } from "./Marks";
import { matching } from "./matching";

export function ActionPicker({ actions, choose }: { actions: Action[]; choose: (id: string) => void }) {
  const me = useMe();
  const [text, setText] = useState("");
  // The options stand in the dialog itself: always open.
  const box = useCombobox({ opened: true });
  const titles = useMemo(() => new Map(actions.map((action) => [action.id, action.title])), [actions]);
  const found = useMemo(() => matching(actions, text), [actions, text]);
  const groups = useMemo(() => {
    const sorted = new Map<string, Action[]>();
    for (const action of found) {
      const group = action.id.split(".")[0] ?? "";
      sorted.set(group, [...(sorted.get(group) ?? []), action]);
    }
    return [...sorted];
  }, [found]);
  const field = useRef<HTMLInputElement>(null);
  // The catalogue may come after the dialog, when the focus has been placed already.
  useEffect(() => {
    field.current?.focus();
  }, []);
  const { selectFirstOption } = box;
  useEffect(() => {
    selectFirstOption();
    // The store is another object at every drawing.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [text]);
  return (
    <Combobox store={box} onOptionSubmit={choose}>
      <Stack gap="xs">
        <Combobox.EventsTarget>
          <TextInput
            ref={field}
            label="What is to be done"
            placeholder="Isolate, collect, run…"
            leftSection={<IconSearch size={16} aria-hidden />}
            value={text}
            maxLength={100}
            onChange={(event) => {
              setText(event.currentTarget.value);
            }}
          />
        </Combobox.EventsTarget>
        <Combobox.Options aria-label="Actions">
          {groups.map(([group, members]) => (
            <Combobox.Group key={group} label={labelOf(group)}>
              {members.map((action) => {
                const why = whyNot(me, "task.submit", action.id);
                return (
                  <Combobox.Option
                    key={action.id}
                    value={action.id}
                    disabled={why !== undefined}
                    className={classes.option ?? ""}
                  >
                    <Group justify="space-between" gap="xs">
                      <Text fw={600} size="sm">
                        {action.title}
                      </Text>
                      <Marks action={action} titles={titles} />
                    </Group>
                    <Text size="xs" c="dimmed">
                      {action.summary}
                    </Text>
                    {why === undefined ? null : (
                      <Text size="xs" c="var(--quell-warn)">
                        {why}
                      </Text>
                    )}
                  </Combobox.Option>
                );
              })}
            </Combobox.Group>
          ))}
          {found.length === 0 ? <Combobox.Empty>The catalogue has no action of that name.</Combobox.Empty> : null}
        </Combobox.Options>
      </Stack>
    </Combobox>
  );
}
