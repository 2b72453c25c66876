/// A button that says why it cannot be pressed, instead of hiding or staying mute.

import { Button, Tooltip, type ButtonProps } from "@mantine/core";
import type { MouseEventHandler } from "react";

type Props = ButtonProps & {
  why?: string | undefined;
  onClick?: MouseEventHandler<HTMLButtonElement>;
  type?: "button" | "submit";
};

const refuse: MouseEventHandler<HTMLButtonElement> = (event) => {
  event.preventDefault();
};

/** With `why` it stays in the order of keys and is read out with its reason, but does nothing. */
export function Deed({ why, onClick, type = "button", children, ...rest }: Props) {
  const isOpen = why === undefined;
  // One shape for both: the button keeps the focus while it changes.
  return (
    <Tooltip label={why ?? ""} disabled={isOpen}>
      <Button
        type={isOpen ? type : "button"}
        {...(isOpen && onClick ? { onClick } : {})}
        {...rest}
        {...(isOpen ? {} : { "data-disabled": true, "aria-disabled": true, title: why, onClick: refuse })}
      >
        {children}
      </Button>
    </Tooltip>
  );
}
