/// Choosing a password: its rules beside it, typed twice so that a slip is found before it locks somebody out.

import { PasswordInput, Stack } from "@mantine/core";

import { asApiError } from "../../api/problem";

export type Chosen = { text: string; again: string };

export const NOTHING_CHOSEN: Chosen = { text: "", again: "" };

/** Characters at least, as the server counts them. */
const LEAST = 12;
const MOST = 128;

/** Why it cannot be sent yet. */
export function unready(chosen: Chosen): string | undefined {
  const length = [...chosen.text].length;
  if (length < LEAST) return `At least ${String(LEAST)} characters, there are ${String(length)}.`;
  if (length > MOST) return `At most ${String(MOST)} characters.`;
  if (chosen.again !== chosen.text) return "The two are not the same.";
  return undefined;
}

type Props = {
  value: Chosen;
  change: (chosen: Chosen) => void;
  /** What the server said, and under which name it knows the field. */
  error: unknown;
  field: string;
  label?: string;
};

export function NewPassword({ value, change, error, field, label = "Password" }: Props) {
  const said = error === null || error === undefined ? undefined : asApiError(error).field(field);
  const isOther = value.again.length >= value.text.length && value.again !== value.text;
  const length = [...value.text].length;
  return (
    <Stack gap="xs">
      <PasswordInput
        label={label}
        autoComplete="new-password"
        required
        description={`${String(LEAST)} to ${String(MOST)} characters${length > 0 && length < LEAST ? `, ${String(length)} now` : ""}; several words make a good one. Not your name or address, no common word with digits behind it.`}
        value={value.text}
        error={said}
        onChange={(event) => {
          change({ ...value, text: event.currentTarget.value });
        }}
      />
      <PasswordInput
        label={`${label}, again`}
        autoComplete="new-password"
        required
        value={value.again}
        error={isOther ? "The two are not the same." : undefined}
        onChange={(event) => {
          change({ ...value, again: event.currentTarget.value });
        }}
      />
    </Stack>
  );
}
