/// The dialog in which a person confirms what they are about to do, by password, one-time code or passkey.

import { Button, Group, Modal, Paper, PasswordInput, SegmentedControl, Stack, Text, TextInput } from "@mantine/core";
import { IconKey } from "@tabler/icons-react";
import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState, type FormEvent } from "react";

import { onQuestion, type Confirmable, type Means, type Question } from "../api/confirm";
import { canUsePasskeys } from "../api/passkey";
import { Failure } from "../ui/Failure";
import { Name, Names } from "../ui/Name";
import { count, inertLines } from "../ui/text";
import { confirmed, type Known } from "./confirmed";

export function ConfirmRequest() {
  const [questions, setQuestions] = useState<Question[]>([]);
  useEffect(
    () =>
      onQuestion((question) => {
        setQuestions((before) => [...before, question]);
      }),
    [],
  );
  const question = questions[0];
  if (question === undefined) return null;
  const done = (): void => {
    setQuestions((before) => before.slice(1));
  };
  return <Asked key={questions.length} question={question} done={done} />;
}

function Asked({ question, done }: { question: Question; done: () => void }) {
  const [how, setHow] = useState<"password" | "totp">("password");
  const [text, setText] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const cancel = (): void => {
    question.cancel();
    done();
  };
  const confirm = async (means: Means): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await question.confirm(means);
      done();
    } catch (failure) {
      setError(failure);
      setText("");
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void confirm(how === "password" ? { password: text } : { totp: text.replaceAll(" ", "") });
  };
  return (
    <Modal opened onClose={cancel} title="Confirm that it is you" zIndex={400}>
      <form onSubmit={submit}>
        <Stack gap="sm">
          <Text size="sm">{inertLines(question.why.problem.detail)}</Text>
          <What request={question.request} />
          <SegmentedControl
            fullWidth
            value={how}
            onChange={(value) => {
              setHow(value as typeof how);
              setText("");
            }}
            data={[
              { value: "password", label: "Password" },
              { value: "totp", label: "One-time code" },
            ]}
            aria-label="How to confirm"
          />
          {how === "password" ? (
            <PasswordInput
              data-autofocus
              label="Your password"
              autoComplete="current-password"
              required
              value={text}
              onChange={(event) => {
                setText(event.currentTarget.value);
              }}
            />
          ) : (
            <TextInput
              data-autofocus
              label="Code of your authenticator app"
              inputMode="numeric"
              autoComplete="one-time-code"
              required
              value={text}
              onChange={(event) => {
                setText(event.currentTarget.value);
              }}
            />
          )}
          <Failure error={error} />
          <Group justify="space-between">
            {canUsePasskeys() ? (
              <Button
                variant="default"
                leftSection={<IconKey size={16} aria-hidden />}
                disabled={isBusy}
                onClick={() => void confirm("passkey")}
              >
                Use a passkey
              </Button>
            ) : (
              <span />
            )}
            <Group gap="xs">
              <Button variant="default" onClick={cancel}>
                Cancel
              </Button>
              <Button type="submit" loading={isBusy}>
                Confirm
              </Button>
            </Group>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** What goes out with the proof, and nothing else. */
function What({ request }: { request: Confirmable }) {
  const client = useQueryClient();
  // As it was when the dialog opened: news change nothing of what is sent.
  const what = useMemo(() => confirmed(request, knownIn(client)), [request, client]);
  return (
    <Paper withBorder p="xs" data-testid="confirmed">
      <Text size="xs" c="dimmed">
        You confirm
      </Text>
      <Text size="sm" fw={650} style={{ overflowWrap: "anywhere" }}>
        {what.deed}
      </Text>
      {what.scope === undefined ? null : <Text size="sm">on {what.scope}</Text>}
      {what.targets.length === 0 ? null : (
        <Text size="sm" component="div" style={{ overflowWrap: "anywhere" }}>
          on {what.targets.length === 1 ? "" : `${count(what.targets.length, "endpoint")}: `}
          <Names>{what.targets}</Names>
        </Text>
      )}
      {what.params.map(([name, value]) => (
        <Text key={name} size="xs" component="div" style={{ overflowWrap: "anywhere" }}>
          {name}: <Name mono>{value}</Name>
        </Text>
      ))}
    </Paper>
  );
}

/** Actions and endpoints by what was read of them already. */
function knownIn(client: QueryClient): Known {
  const names = new Map<string, string>();
  const actions = new Map<string, { title: string; secrets?: string[] }>();
  const keep = (item: unknown): void => {
    if (typeof item !== "object" || item === null || !("id" in item) || typeof item.id !== "string") return;
    if ("name" in item && typeof item.name === "string") names.set(item.id, item.name);
  };
  // Found by a search, in a list, or by its id; and the targets of a preview.
  for (const [, answer] of client.getQueriesData({ queryKey: ["get", "/api/v1/endpoints"] }))
    each(answer, "items", keep);
  for (const [, answer] of client.getQueriesData({ queryKey: ["get", "/api/v1/endpoints/{id}"] })) keep(answer);
  for (const [, answer] of client.getQueriesData({ queryKey: ["post", "/api/v1/tasks/preview"] }))
    each(answer, "targets", keep);
  const catalogue = client.getQueryData<{ id: string; title: string; secrets?: string[] }[]>([
    "get",
    "/api/v1/actions",
  ]);
  for (const action of Array.isArray(catalogue) ? catalogue : []) actions.set(action.id, action);
  return { action: (id) => actions.get(id), endpoint: (id) => names.get(id) };
}

/** Everything in the list called `field` of an answer, or of its pages. */
function each(answer: unknown, field: string, tell: (item: unknown) => void): void {
  if (typeof answer !== "object" || answer === null) return;
  if ("pages" in answer && Array.isArray(answer.pages)) for (const page of answer.pages) each(page, field, tell);
  const list = (answer as Record<string, unknown>)[field];
  if (Array.isArray(list)) for (const item of list) tell(item);
}
