/// The dialog in which a person confirms what they are about to do, by password, one-time code or passkey.

import { Button, Group, Modal, PasswordInput, SegmentedControl, Stack, Text, TextInput } from "@mantine/core";
import { IconKey } from "@tabler/icons-react";
import { useEffect, useState, type FormEvent } from "react";

import { onQuestion, type Means, type Question } from "../api/confirm";
import { canUsePasskeys } from "../api/passkey";
import { Failure } from "../ui/Failure";

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
          <Text size="sm">{question.why.problem.detail}</Text>
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
