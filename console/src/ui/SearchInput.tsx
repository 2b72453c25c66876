/// A box to search with: what is typed, as it is typed. When it is looked for is whoever reads it to say.

import { TextInput, type TextInputProps } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";

type Props = Pick<TextInputProps, "size" | "w" | "mb" | "flex" | "autoFocus" | "placeholder" | "ref" | "onKeyDown"> & {
  label: string;
  value: string;
  change: (text: string) => void;
  /** The key `/` leads here, which its placeholder then says. */
  isMain?: boolean;
};

export function SearchInput({ label, value, change, isMain = false, placeholder = label, ...rest }: Props) {
  return (
    <TextInput
      {...rest}
      {...(isMain ? { "data-search": true } : {})}
      aria-label={label}
      placeholder={isMain ? `${placeholder}  /` : placeholder}
      leftSection={<IconSearch size={rest.size === "xs" ? 14 : 16} aria-hidden />}
      maxLength={200}
      spellCheck={false}
      value={value}
      onChange={(event) => {
        change(event.currentTarget.value);
      }}
    />
  );
}
