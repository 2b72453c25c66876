/// One decision about several requests: each is named, one note for all, and what became of each.

import { Alert, Button, Checkbox, Group, Modal, ScrollArea, Stack, Table, Text, Textarea } from "@mantine/core";
import { useState } from "react";

import { $api, type Schemas } from "../../api/client";
import { refresh } from "../../api/query";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { State } from "../../ui/State";
import { clip, count, inert } from "../../ui/text";
import { blastOf, targetsOf, type Request } from "./request";
import { Warnings } from "./Warnings";

type Props = { word: "approve" | "reject"; requests: Request[]; close: () => void; done: () => void };

export function DecideMany({ word, requests, close, done }: Props) {
  // What is shown is what is decided: news that come meanwhile change neither.
  const [chosen] = useState(requests);
  const [note, setNote] = useState("");
  const [isRead, setRead] = useState(false);
  const [results, setResults] = useState<Schemas["DecidedMany"] | undefined>();
  const decide = $api.useMutation("post", "/api/v1/approvals/decide");
  const isReject = word === "reject";
  const signed = chosen.filter((request) => request.you?.signing);
  const why = isReject
    ? note.trim() === ""
      ? "Say why: who asked will read it."
      : undefined
    : isRead
      ? undefined
      : "Tick that you looked at each.";
  const send = (): void => {
    decide.mutate(
      {
        body: {
          decision: word,
          note: note.trim(),
          requests: chosen.map((request) => ({ task: request.task, digest: request.digest })),
        },
      },
      {
        onSuccess: (answer) => {
          setResults(answer);
          done();
          void refresh("/api/v1/approvals", "/api/v1/tasks", "/api/v1/overview");
        },
      },
    );
  };
  const verb = isReject ? "Reject" : "Approve";
  return (
    <Modal opened onClose={close} size="lg" title={`${verb} ${count(chosen.length, "request")}`}>
      <Stack gap="sm">
        <ScrollArea.Autosize
          mah="45vh"
          type="auto"
          viewportProps={{ tabIndex: 0, role: "region", "aria-label": "What is decided" }}
        >
          <Table verticalSpacing={6}>
            <Table.Tbody>
              {chosen.map((request, index) => (
                <Table.Tr key={request.task}>
                  <Table.Td>
                    <Text size="sm" fw={600}>
                      {request.title}{" "}
                      <Text span fw={400}>
                        on <bdi>{clip(inert(targetsOf(blastOf(request), 5)), 300)}</bdi>
                      </Text>
                    </Text>
                    <Text size="xs" c="dimmed">
                      <Name length={40}>{request.requester}</Name>: <Name length={160}>{request.reason}</Name>
                    </Text>
                    {results === undefined ? (
                      <Group mt={4}>
                        <Warnings request={request} />
                      </Group>
                    ) : (
                      <Result result={results.results[index]} request={request} />
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </ScrollArea.Autosize>
        {results === undefined ? (
          <>
            {!isReject && signed.length > 0 ? (
              <Alert color="yellow" variant="outline">
                <Text size="sm">
                  {count(signed.length, "request wants", "requests want")} your own signature. Decide those one by one;
                  the server will refuse them here.
                </Text>
              </Alert>
            ) : null}
            <Textarea
              label={isReject ? "Why not" : "Note"}
              description={isReject ? "Those who asked read it." : "The same for all; may stay empty."}
              required={isReject}
              autosize
              minRows={2}
              maxRows={6}
              maxLength={2000}
              data-autofocus
              value={note}
              onChange={(event) => {
                setNote(event.currentTarget.value);
              }}
            />
            {isReject ? null : (
              <Checkbox
                label={`I looked at what each of the ${String(chosen.length)} would touch.`}
                checked={isRead}
                onChange={(event) => {
                  setRead(event.currentTarget.checked);
                }}
              />
            )}
            <Failure error={decide.error} />
            <Group justify="flex-end" gap="xs">
              <Button variant="default" onClick={close}>
                Cancel
              </Button>
              <Deed {...(isReject ? { color: "red.9" } : {})} why={why} loading={decide.isPending} onClick={send}>
                {verb} {count(chosen.length, "request")}
              </Deed>
            </Group>
          </>
        ) : (
          <Group justify="space-between">
            <Text size="sm" role="status">
              {results.decided === results.results.length
                ? `All ${String(results.decided)} are decided.`
                : `${String(results.decided)} of ${String(results.results.length)} are decided. The others stand as they were.`}
            </Text>
            <Button onClick={close}>Close</Button>
          </Group>
        )}
      </Stack>
    </Modal>
  );
}

function Result({ result, request }: { result: Schemas["DecidedOne"] | undefined; request: Request }) {
  if (result === undefined) return null;
  if (result.error)
    return (
      <Text size="sm" mt={4}>
        <State state="failed" label="Not decided" /> <Name length={300}>{result.error.detail}</Name>
      </Text>
    );
  const label = result.state === "pending" ? `Recorded; ${String(request.quorum)} people must agree` : undefined;
  return (
    <Text size="sm" mt={4} component="div">
      <State state={result.state ?? "pending"} {...(label === undefined ? {} : { label })} />
    </Text>
  );
}
