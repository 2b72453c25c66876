/// What went wrong, to what, and what to try.

import { Alert, Button, Group, List, Text } from "@mantine/core";
import { IconAlertTriangle, IconRefresh } from "@tabler/icons-react";

import { asApiError } from "../api/problem";
import { Copy } from "./Copy";
import { inertLines } from "./text";
import { tone } from "./tone";

/** An error as every screen shows it. `null` shows nothing. */
export function Failure({ error, retry, mb }: { error: unknown; retry?: () => void; mb?: string }) {
  if (error === null || error === undefined) return null;
  const { problem } = asApiError(error);
  // One field alone stands in the detail already.
  const fields = (problem.fields ?? []).filter(({ problem: wrong }) => !problem.detail.includes(wrong));
  return (
    <Alert
      role="alert"
      variant="outline"
      styles={tone("bad")}
      icon={<IconAlertTriangle aria-hidden />}
      title={problem.title}
      {...(mb === undefined ? {} : { mb })}
    >
      <Text size="sm" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        {inertLines(problem.detail)}
      </Text>
      {fields.length > 0 ? (
        <List size="sm" mt={4}>
          {fields.slice(0, 20).map((field) => (
            <List.Item key={`${field.field} ${field.problem}`}>
              <b>{inertLines(field.field)}</b>: {inertLines(field.problem)}
            </List.Item>
          ))}
        </List>
      ) : null}
      {problem.hint ? (
        <Text size="sm" mt={4}>
          {inertLines(problem.hint)}
        </Text>
      ) : null}
      <Group gap="xs" mt={6}>
        <Text size="xs" c="dimmed">
          {problem.code}
          {problem.request_id ? ` · request ${problem.request_id}` : ""}
        </Text>
        {problem.request_id ? <Copy value={problem.request_id} label="Copy the request's id" /> : null}
        {retry ? (
          <Button
            size="compact-xs"
            variant="default"
            leftSection={<IconRefresh size={14} aria-hidden />}
            onClick={retry}
          >
            Try again
          </Button>
        ) : null}
      </Group>
    </Alert>
  );
}
