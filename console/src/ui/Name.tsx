/// A string that somebody hostile may have chosen, on one line.

import { Text, type TextProps } from "@mantine/core";

import { clip, inert } from "./text";

type Props = TextProps & { children: string | null | undefined; length?: number; mono?: boolean };

/** Shown inert, isolated from the direction of what stands around it, clipped; the whole of it on hover. */
export function Name({ children, length = 120, mono = false, ...rest }: Props) {
  const whole = inert(children ?? "");
  const shown = clip(whole, length);
  return (
    <Text
      component="bdi"
      inherit
      {...(mono ? { ff: "monospace" } : {})}
      {...(shown === whole ? {} : { "data-hint": clip(whole, 1200) })}
      {...rest}
    >
      {shown === "" ? "–" : shown}
    </Text>
  );
}
