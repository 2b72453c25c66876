/// Verbs of the agent, beside the terminal: answered by the agent itself, where the programs of an endpoint are not trusted.

import { Button, Drawer, FileButton, Group, Loader, Stack, Text, TextInput } from "@mantine/core";
import { IconPaperclip } from "@tabler/icons-react";
import { useState, type FormEvent } from "react";

import { api, data } from "../../api/client";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { Note } from "../../ui/Note";
import { Raw } from "../../ui/Raw";
import { SmallTable } from "../../ui/SmallTable";
import { bytes, clip, inert, inertLines } from "../../ui/text";
import type { Answer } from "./line";
import { split } from "./words";

/** Bytes of a file that the server takes for a shell. */
const PUT = 32 << 20;
/** Rows of an answer that are drawn. */
const ROWS = 500;

type Row = Record<string, unknown>;

type Props = {
  shell: string;
  /** Asks; the number of the question, or nothing where nobody hears it. */
  ask: (verb: string, words: string[]) => number | undefined;
  answer: Answer | undefined;
  close: () => void;
};

export function Verbs({ shell, ask, answer, close }: Props) {
  const [line, setLine] = useState("help");
  const [file, setFile] = useState<File | null>(null);
  const [asked, setAsked] = useState<{ id: number; line: string }>();
  const [error, setError] = useState<unknown>(null);
  const [why, setWhy] = useState<string>();
  const submit = async (): Promise<void> => {
    const [verb, ...words] = split(line);
    if (verb === undefined) return;
    setError(null);
    setWhy(undefined);
    try {
      if (verb === "put" && file === null) {
        setWhy("Choose the file first; then `put PATH` says where it goes.");
        return;
      }
      if (verb === "put" && file !== null) words.unshift(await give(shell, file));
    } catch (failure) {
      setError(failure);
      return;
    }
    const id = ask(verb, words);
    if (id === undefined) setWhy("There is no connection now.");
    else setAsked({ id, line });
  };
  const own = asked === undefined || answer?.id !== asked.id ? undefined : answer;
  return (
    <Drawer opened onClose={close} title="Ask the agent" size="xl">
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          No program of the endpoint takes part in the answer. Each verb is in the recording and in the audit trail.
        </Text>
        <form
          onSubmit={(event: FormEvent) => {
            event.preventDefault();
            void submit();
          }}
        >
          <Group gap="xs" align="flex-end">
            <TextInput
              flex="1 1 240px"
              data-autofocus
              label="Verb and its arguments"
              ff="monospace"
              maxLength={4000}
              spellCheck={false}
              autoComplete="off"
              value={line}
              onChange={(event) => {
                setLine(event.currentTarget.value);
              }}
            />
            <FileButton onChange={setFile}>
              {(props) => (
                <Button {...props} variant="default" leftSection={<IconPaperclip size={14} aria-hidden />}>
                  {file === null ? "File for put…" : clip(inert(file.name), 24)}
                </Button>
              )}
            </FileButton>
            <Button type="submit">Ask</Button>
          </Group>
        </form>
        <Failure error={error} />
        {why === undefined ? null : <Note tone="warn">{why}</Note>}
        {asked === undefined || why !== undefined ? null : (
          <div role="status" aria-label="Answer">
            {own?.is_over === true ? (
              <Said answer={own} label={clip(inert(asked.line), 60)} />
            ) : (
              <Group gap="xs">
                <Loader size="xs" role="presentation" />
                <Text size="sm">
                  {own === undefined || own.done === 0
                    ? "Asked."
                    : `${bytes(own.done)}${own.total > 0 ? ` of ${bytes(own.total)}` : ""}`}
                </Text>
              </Group>
            )}
          </div>
        )}
      </Stack>
    </Drawer>
  );
}

/** Gives a file to the shell; its id. */
async function give(shell: string, file: File): Promise<string> {
  if (file.size > PUT) throw new Error(`A file of more than ${bytes(PUT)} cannot be given.`);
  const given = await data(
    api.POST("/api/v1/shells/{id}/files", {
      params: { path: { id: shell } },
      body: file as never,
      bodySerializer: (body: unknown) => body as Blob,
      headers: { "content-type": "application/octet-stream" },
    }),
  );
  return given.artifact_id;
}

function Said({ answer, label }: { answer: Answer; label: string }) {
  if (!answer.is_ok) return <Note tone="bad">{inertLines(answer.message)}</Note>;
  const rows = rowsOf(answer.result);
  const [first] = rows ?? [];
  if (rows === undefined || first === undefined) return <Raw value={answer.result ?? "done"} label={label} mah={560} />;
  return (
    <SmallTable
      label={label}
      fz="xs"
      verticalSpacing={3}
      minWidth={480}
      columns={Object.keys(first).map((name) => ({
        title: clip(inert(name), 30),
        cell: (row: Row) => <Name length={120}>{said(row[name])}</Name>,
      }))}
      rows={rows.slice(0, ROWS)}
      of={(_, index) => index}
    />
  );
}

function rowsOf(result: unknown): Row[] | undefined {
  const rows = (result as { rows?: unknown } | null)?.rows;
  return Array.isArray(rows) ? rows.filter((row): row is Row => typeof row === "object" && row !== null) : undefined;
}

function said(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
