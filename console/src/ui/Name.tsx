/// A string that somebody hostile may have chosen, on one line.

import { Text, type TextProps } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { Fragment } from "react";

import { clip, count, inert, mixed } from "./text";

type Props = TextProps & { children: string | null | undefined; length?: number; mono?: boolean };

/** Shown inert, isolated from the direction of what stands around it, clipped; the whole of it on hover. */
export function Name({ children, length = 120, mono = false, ...rest }: Props) {
  const whole = inert(children ?? "");
  const shown = clip(whole, length);
  return (
    <>
      <Mixed>{whole}</Mixed>
      <Text
        component="bdi"
        inherit
        {...(mono ? { ff: "monospace" } : {})}
        {...(shown === whole ? {} : { "data-hint": clip(whole, 1200) })}
        {...rest}
      >
        {shown === "" ? "–" : shown}
      </Text>
    </>
  );
}

/** The mark before a name whose letters are of several scripts: one may pass for another. Nothing before other names. */
export function Mixed({ children }: { children: string }) {
  const scripts = mixed(children);
  if (scripts === undefined) return null;
  return (
    <Text
      component="span"
      size="xs"
      c="var(--quell-warn)"
      fw={550}
      mr={4}
      style={{ whiteSpace: "nowrap" }}
      data-hint={`Its letters are of different scripts (${scripts}): it may be made to look like another name.`}
    >
      <IconAlertTriangle size={12} aria-hidden /> mixed scripts
    </Text>
  );
}

/** Names one after the other, each set apart from the next. */
export function Names({ children, length = 40, most = 6 }: { children: string[]; length?: number; most?: number }) {
  const rest = children.length - most;
  return (
    <>
      {children.slice(0, most).map((name, index) => (
        <Fragment key={index}>
          {index > 0 ? " · " : null}
          <Name length={length}>{name}</Name>
        </Fragment>
      ))}
      {rest > 0 ? ` and ${count(rest, "other")}` : null}
    </>
  );
}
