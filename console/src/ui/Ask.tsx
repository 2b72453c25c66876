/// A form in a dialog: it closes itself when what was asked is done, and stays with the reason where it failed.

import { Button, Group, Modal, Stack, type MantineSize } from "@mantine/core";
import { useState, type FormEvent, type ReactNode } from "react";

import { asApiError, type ApiError } from "../api/problem";
import { Failure } from "./Failure";

type Props = {
  title: string;
  deed: string;
  size?: MantineSize;
  /** Sends it. What it throws is shown; with `"stay"` something else takes the place of the dialog. */
  act: () => Promise<unknown>;
  close: () => void;
  /** Whether it can be sent. */
  isReady?: boolean;
  /** The fields; `field("path")` is what the server said of one. */
  children: (field: (path: string) => string | undefined) => ReactNode;
};

export function Ask({ title, deed, size = "md", act, close, isReady = true, children }: Props) {
  const [error, setError] = useState<ApiError | undefined>();
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (!isReady || isBusy) return;
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
    <Modal opened onClose={close} title={title} size={size} closeOnClickOutside={false}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="sm">
          {children((path) => error?.field(path))}
          <Failure error={error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={isBusy} disabled={!isReady}>
              {deed}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
