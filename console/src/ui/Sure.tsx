/// The second step before something that hurts: what it hits, what happens, how it is taken back.

import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useState, type FormEvent, type ReactNode } from "react";

import { Deed } from "./Deed";
import { Failure } from "./Failure";
import { isPlain } from "./text";

type Props = {
  title: string;
  /** What it hits, by name, and what happens. */
  children: ReactNode;
  /** The words of the button. */
  deed: string;
  /** What must be typed first, where it cannot be taken back: a name, or by `toType` the end of an id. */
  typed?: string | { what: "name" | "id"; text: string };
  /** With `"stay"` something else takes the place of the dialog. */
  act: () => Promise<unknown>;
  close: () => void;
};

const ASKED = { name: "Type", id: "Type the last 8 characters of its id,", word: "Type the word" };

/** A name that no keyboard writes is not asked for: a word of our own stands for it. */
function wantedOf(typed: Props["typed"]): { what: keyof typeof ASKED; text: string } | undefined {
  if (typeof typed === "object") return typed;
  const name = typed?.trim();
  if (name === undefined) return undefined;
  return isPlain(name) ? { what: "name", text: name } : { what: "word", text: "confirm" };
}

/** Closes itself when it is done; stays, with the reason, where it fails. */
export function Sure({ title, children, deed, typed, act, close }: Props) {
  const [text, setText] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const wanted = wantedOf(typed);
  const isReady = wanted === undefined || text.trim() === wanted.text;
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (!isReady || isBusy) return;
    setBusy(true);
    setError(null);
    try {
      if ((await act()) !== "stay") close();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={close} title={title}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="sm">
          {children}
          {wanted === undefined ? null : (
            <TextInput
              data-autofocus
              label={`${ASKED[wanted.what]} “${wanted.text}” to go on`}
              value={text}
              autoComplete="off"
              onChange={(event) => {
                setText(event.currentTarget.value);
              }}
            />
          )}
          <Failure error={error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Deed
              type="submit"
              color="red.9"
              loading={isBusy}
              why={isReady ? undefined : `Type “${wanted.text}” first.`}
            >
              {deed}
            </Deed>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
