/// The second step before something that hurts: what it hits, what happens, how it is taken back.

import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useState, type FormEvent, type ReactNode } from "react";

import { Deed } from "./Deed";
import { Failure } from "./Failure";
import { inert } from "./text";

type Props = {
  title: string;
  /** What it hits, by name, and what happens. */
  children: ReactNode;
  /** The words of the button. */
  deed: string;
  /** What must be typed first, where it cannot be taken back. */
  typed?: string;
  /** With `"stay"` something else takes the place of the dialog. */
  act: () => Promise<unknown>;
  close: () => void;
};

/** Closes itself when it is done; stays, with the reason, where it fails. */
export function Sure({ title, children, deed, typed, act, close }: Props) {
  const [text, setText] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const isReady = typed === undefined || text.trim() === typed.trim();
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
          {typed === undefined ? null : (
            <TextInput
              data-autofocus
              label={`Type “${inert(typed)}” to go on`}
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
            <Deed type="submit" color="red.9" loading={isBusy} why={isReady ? undefined : "Type the name first."}>
              {deed}
            </Deed>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
