/// Where a script is written: numbers at the lines, its size and its digest as they will be.

import { Box, Group, Input, Text } from "@mantine/core";
import { useId } from "@mantine/hooks";
import { useEffect, useMemo, useRef, useState, type ChangeEvent } from "react";

import { bytes } from "../../ui/text";
import classes from "./Code.module.css";

/** Bytes that a script may have, as the API says. */
export const MOST = 1024 * 1024;

export function sizeOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** The SHA-256 of `text`; nothing where the browser has none to give, on a page without TLS. */
export function useDigest(text: string): string | undefined {
  const [digest, setDigest] = useState<string | undefined>();
  useEffect(() => {
    let isCurrent = true;
    // `subtle` is absent there, whatever its type says.
    const subtle = crypto.subtle as SubtleCrypto | undefined;
    void subtle?.digest("SHA-256", new TextEncoder().encode(text)).then((bytes) => {
      if (!isCurrent) return;
      setDigest(Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join(""));
    });
    return () => {
      isCurrent = false;
    };
  }, [text]);
  return digest;
}

type Props = { value: string; change: (text: string) => void; error: string | undefined; digest: string | undefined };

export function Editor({ value, change, error, digest }: Props) {
  const numbers = useRef<HTMLPreElement>(null);
  const id = useId();
  const size = useMemo(() => sizeOf(value), [value]);
  const lines = useMemo(() => value.split("\n").length, [value]);
  const problem = error ?? (size > MOST ? `This is ${bytes(size)}; at most ${bytes(MOST)} are taken.` : undefined);
  return (
    <Input.Wrapper
      id={id}
      label="Script"
      required
      description="Starts as the endpoint's agent, with its rights. Arguments come as $1, $2 and so on, never through a shell."
      inputWrapperOrder={["label", "description", "error", "input"]}
      {...(problem === undefined ? {} : { error: problem })}
    >
      <Box className={classes.editor} mt={6}>
        <pre className={classes.numbers} ref={numbers} aria-hidden>
          {Array.from({ length: Math.min(lines, 50_000) }, (_, index) => index + 1).join("\n")}
        </pre>
        <textarea
          id={id}
          className={classes.area}
          value={value}
          required
          spellCheck={false}
          autoCapitalize="off"
          autoCorrect="off"
          wrap="off"
          aria-invalid={problem !== undefined}
          onScroll={(event) => {
            if (numbers.current) numbers.current.scrollTop = event.currentTarget.scrollTop;
          }}
          onChange={(event: ChangeEvent<HTMLTextAreaElement>) => {
            change(event.currentTarget.value);
          }}
        />
      </Box>
      <Group justify="space-between" gap="xs" mt={4}>
        <Text size="xs" c="dimmed">
          {bytes(size)} of {bytes(MOST)}
        </Text>
        {digest === undefined ? null : (
          <Text size="xs" c="dimmed" ff="monospace" style={{ overflowWrap: "anywhere" }}>
            SHA-256 {digest}
          </Text>
        )}
      </Group>
    </Input.Wrapper>
  );
}
