/// What a dialog asks first: the name of what is made or changed.

import { TextInput } from "@mantine/core";

type Props = {
  value: string;
  change: (value: string) => void;
  error?: string | undefined;
  description?: string;
};

export function NameInput({ value, change, error, description }: Props) {
  return (
    <TextInput
      data-autofocus
      required
      label="Name"
      description={description}
      maxLength={100}
      value={value}
      error={error}
      onChange={(event) => {
        change(event.currentTarget.value);
      }}
    />
  );
}
