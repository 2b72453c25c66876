/// A dialog that says what will be done, and asks for the reason that stays in the audit trail.

import { Stack, Textarea } from "@mantine/core";
import { useState, type ReactNode } from "react";

import { Ask } from "./Ask";

type Props = {
  title: string;
  deed: string;
  /** What the reason is asked with. */
  label: string;
  description?: string;
  /** What it hits, by name, and what happens. */
  children: ReactNode;
  /** Sends it. What it throws is shown. */
  act: (reason: string) => Promise<unknown>;
  close: () => void;
};

export function AskWhy({ title, deed, label, description, children, act, close }: Props) {
  const [reason, setReason] = useState("");
  return (
    <Ask title={title} deed={deed} leave="Leave it" closeOnClickOutside act={() => act(reason)} close={close}>
      {(field) => (
        <Stack gap="sm" style={{ overflowWrap: "anywhere" }}>
          {children}
          <Textarea
            label={label}
            description={description}
            required
            data-autofocus
            autosize
            minRows={2}
            maxRows={8}
            maxLength={2000}
            value={reason}
            onChange={(event) => {
              setReason(event.currentTarget.value);
            }}
            error={field("reason")}
          />
        </Stack>
      )}
    </Ask>
  );
}
