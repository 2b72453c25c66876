/// A button that says why it cannot be pressed, instead of hiding or staying mute.

import { Button, Tooltip, type ButtonProps } from "@mantine/core";
import type { MouseEventHandler } from "react";

type Props = ButtonProps & {
  why?: string | undefined;
  onClick?: MouseEventHandler<HTMLButtonElement>;
  type?: "button" | "submit";
};

/** With `why` it stays in the order of keys and is read out with its reason, but does nothing. */
export function Deed({ why, onClick, type = "button", children, ...rest }: Props) {
  if (why === undefined) {
    return (
      <Button type={type} {...(onClick ? { onClick } : {})} {...rest}>
        {children}
      </Button>
    );
  }
  return (
    <Tooltip label={why}>
      <Button
        type="button"
        {...rest}
        data-disabled
        aria-disabled
        title={why}
        onClick={(event) => {
          event.preventDefault();
        }}
      >
        {children}
      </Button>
    </Tooltip>
  );
}
