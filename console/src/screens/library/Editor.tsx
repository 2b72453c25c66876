/// Where a body is written: numbers at the lines, its size and its digest as they will be.

import { Anchor, Box, Group, Input, Text } from "@mantine/core";
import { useId } from "@mantine/hooks";
import { useEffect, useMemo, useRef, useState, type ChangeEvent } from "react";

import { bytes, clip, inert } from "../../ui/text";
import classes from "./Code.module.css";

/** A fault of the body, as the server tells it. */
export type Fault = { line?: number | null | undefined; column?: number | null | undefined; problem: string };

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

type Props = {
  label: string;
  description: string;
  value: string;
  change: (text: string) => void;
  faults: Fault[];
  digest: string | undefined;
  most: number;
};

export function Editor({ label, description, value, change, faults, digest, most }: Props) {
  const numbers = useRef<HTMLPreElement>(null);
  const area = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  const size = useMemo(() => sizeOf(value), [value]);
  const lines = useMemo(() => value.split("\n").length, [value]);
  const problem =
    faults.length > 0 ? (
      <Faults
        faults={faults}
        go={(fault) => {
          if (area.current) show(area.current, value, fault);
        }}
      />
    ) : size > most ? (
      `This is ${bytes(size)}; at most ${bytes(most)} are taken.`
    ) : undefined;
  return (
    <Input.Wrapper
      id={id}
      label={label}
      required
      description={description}
      errorProps={{ component: "div" }}
      inputWrapperOrder={["label", "description", "error", "input"]}
      {...(problem === undefined ? {} : { error: problem })}
    >
      <Box className={classes.editor} mt={6}>
        <pre className={classes.numbers} ref={numbers} aria-hidden>
          {Array.from({ length: Math.min(lines, 50_000) }, (_, index) => index + 1).join("\n")}
        </pre>
        <textarea
          id={id}
          ref={area}
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
          {bytes(size)} of {bytes(most)}
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

/** Puts the caret where the fault is, and the line into view. */
function show(area: HTMLTextAreaElement, text: string, fault: Fault): void {
  const lines = text.split("\n");
  const line = Math.min(Math.max(1, fault.line ?? 1), lines.length);
  const before = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  const at = before + [...(lines[line - 1] ?? "")].slice(0, (fault.column ?? 1) - 1).join("").length;
  area.focus();
  area.setSelectionRange(at, before + (lines[line - 1] ?? "").length);
  const height = Number.parseFloat(getComputedStyle(area).lineHeight);
  area.scrollTop = Math.max(0, (line - 4) * (Number.isFinite(height) ? height : 18));
}

function Faults({ faults, go }: { faults: Fault[]; go: (fault: Fault) => void }) {
  return (
    <Box component="ul" m={0} pl={18}>
      {faults.map((fault, index) => (
        <li key={index}>
          {fault.line == null ? null : (
            <>
              <Anchor
                component="button"
                type="button"
                size="xs"
                onClick={() => {
                  go(fault);
                }}
              >
                Line {fault.line}
                {fault.column == null ? "" : `, column ${String(fault.column)}`}
              </Anchor>
              {": "}
            </>
          )}
          {clip(inert(fault.problem), 400)}
        </li>
      ))}
    </Box>
  );
}
