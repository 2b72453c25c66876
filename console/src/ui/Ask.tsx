/// A form in a dialog: it closes itself when what was asked is done, and stays with the reason where it failed.

import { Button, Group, Modal, Stack, type MantineSize } from "@mantine/core";
import { useState, type FormEvent, type ReactNode } from "react";

import { asApiError, type ApiError } from "../api/problem";
import { Deed } from "./Deed";
import { Failure } from "./Failure";

type Props = {
  title: string;
  deed: string;
  size?: MantineSize;
  /** Sends it. What it throws is shown; with `"stay"` something else takes the place of the dialog. */
  act: () => Promise<unknown>;
  close: () => void;
  /** Why it cannot be sent yet. */
  why?: string | undefined;
  /** The words of the button that closes it; where “cancel” could mean what it is about, others. */
  leave?: string;
  closeOnClickOutside?: boolean;
  /** The fields; `field("path")` is what the server said of one. */
  children: (field: (path: string) => string | undefined) => ReactNode;
};

export function Ask(props: Props) {
  const { title, deed, size = "md", act, close, why, leave = "Cancel", closeOnClickOutside = false, children } = props;
  const [error, setError] = useState<ApiError | undefined>();
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (why !== undefined || isBusy) return;
    setBusy(true);
    setError(undefined);
    try {
      if ((await act()) !== "stay") close();
    } catch (failure) {
      setError(asApiError(failure));
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={close} title={title} size={size} closeOnClickOutside={closeOnClickOutside}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="sm">
          {children((path) => error?.field(path))}
          <Failure error={error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              {leave}
            </Button>
            <Deed type="submit" loading={isBusy} why={why}>
              {deed}
            </Deed>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
