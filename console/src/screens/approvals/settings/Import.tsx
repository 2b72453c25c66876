/// Replacing a list by a CSV file: first what its lines stand for, each wrong one with its number, then storing it.

import { Alert, Button, FileButton, Group, Modal, ScrollArea, Stack, Text, Textarea } from "@mantine/core";
import { IconFile } from "@tabler/icons-react";
import { useState } from "react";

import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import { SmallTable } from "../../../ui/SmallTable";
import { count } from "../../../ui/text";
import { LISTS, putList, type List, type ListName } from "./useList";

/** A file of the longest list with long names stays below this, bytes. */
const MOST = 4 << 20;

/** Lines that name no endpoint. */
export function LineErrors({ answer }: { answer: List }) {
  if (answer.errors.length === 0) return null;
  return (
    <>
      <Alert color="red" variant="outline" py={8} role="alert">
        <Text size="sm">
          {count(answer.errors.length, "line names", "lines name")} no endpoint
          {answer.errors.length >= 100 ? " (the first 100 are told)" : ""}. Nothing was changed.
        </Text>
      </Alert>
      <ScrollArea.Autosize
        mah={220}
        type="auto"
        viewportProps={{ tabIndex: 0, role: "region", "aria-label": "Wrong lines" }}
      >
        <SmallTable
          columns={[
            { title: "Line", width: 64, cell: (error) => error.line },
            { title: "What stands there", cell: (error) => <Name length={80}>{error.text}</Name> },
            { title: "What is wrong", cell: (error) => error.problem },
          ]}
          rows={answer.errors}
          of={(error) => error.line}
          verticalSpacing={3}
        />
      </ScrollArea.Autosize>
    </>
  );
}

type Props = {
  list: ListName;
  /** The tag of the list that it replaces. */
  seen: string;
  close: () => void;
};

export function Import({ list, seen, close }: Props) {
  const [text, setText] = useState("");
  const [checked, setChecked] = useState<List | undefined>();
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const write = (next: string): void => {
    setText(next);
    setChecked(undefined);
  };
  const read = (file: File | null): void => {
    if (file === null) return;
    if (file.size > MOST) {
      setError(new Error("The file is larger than 4 MiB, and lists hold at most 20,000 endpoints."));
      return;
    }
    setError(null);
    void file.text().then(write, setError);
  };
  const send = async (how: { check?: boolean; skip_errors?: boolean }): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const answer = await putList(list, text, seen, how);
      if (answer.is_stored) close();
      else setChecked(answer);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={close} title={`Replace the list: ${LISTS[list].title}`} size="xl">
      <Stack gap="sm">
        <Text size="sm">
          The first column of each line is the id of an endpoint, or a name that one active endpoint has now; a heading
          and further columns are passed over. The file <b>replaces</b> what stands on the list. Where a line names no
          endpoint, nothing is changed.
        </Text>
        <Group gap="xs">
          <FileButton onChange={read} accept=".csv,text/csv,text/plain">
            {(props) => (
              <Button {...props} variant="default" leftSection={<IconFile size={16} aria-hidden />}>
                Choose a file
              </Button>
            )}
          </FileButton>
          <Text size="sm" c="dimmed">
            or paste its lines
          </Text>
        </Group>
        <Textarea
          aria-label="Lines"
          placeholder={"endpoint\nweb-1\ndb-1"}
          autosize
          minRows={4}
          maxRows={12}
          value={text}
          styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
          onChange={(event) => {
            write(event.currentTarget.value);
          }}
        />
        <Failure error={error} />
        {checked === undefined ? null : (
          <>
            <LineErrors answer={checked} />
            <Text size="sm" role="status">
              {checked.endpoints.length === 0
                ? "No endpoint would stand on the list."
                : `${count(checked.endpoints.length, "endpoint")} would stand on the list: `}
              {checked.endpoints.slice(0, 8).map((endpoint, index) => (
                <span key={endpoint.id}>
                  {index > 0 ? ", " : ""}
                  <Name length={40}>{endpoint.name}</Name>
                </span>
              ))}
              {checked.endpoints.length > 8 ? ` and ${String(checked.endpoints.length - 8)} more` : ""}
            </Text>
          </>
        )}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          {checked === undefined ? (
            <Button loading={isBusy} disabled={text.trim() === ""} onClick={() => void send({ check: true })}>
              Check it
            </Button>
          ) : checked.errors.length > 0 ? (
            <Button color="red.9" loading={isBusy} onClick={() => void send({ skip_errors: true })}>
              Replace without the wrong lines
            </Button>
          ) : (
            <Button loading={isBusy} onClick={() => void send({})}>
              Replace the list
            </Button>
          )}
        </Group>
      </Stack>
    </Modal>
  );
}
