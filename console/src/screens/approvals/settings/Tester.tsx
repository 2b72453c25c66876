/// What would happen if: the settings, also as they are being changed, asked about a request that nobody makes.

import { Button, Group, Select, Stack, Text, Title } from "@mantine/core";
import { IconPlayerPlay } from "@tabler/icons-react";
import { useState } from "react";

import { $api } from "../../../api/client";
import { Failure } from "../../../ui/Failure";
import { State } from "../../../ui/State";
import { clip, inert, longWords, words } from "../../../ui/text";
import approvals from "../Approvals.module.css";
import { Endpoints } from "./EndpointPicker";
import { CLASSES, type Policy } from "./policy";
import classes from "./Settings.module.css";

const ANSWERS: Record<string, { state: string; label: string }> = {
  none: { state: "succeeded", label: "Nothing is asked: it would be carried out at once" },
  auto: { state: "auto", label: "Approved by the settings, and told" },
  people: { state: "pending", label: "People would have to agree" },
  refused: { state: "refused", label: "Nobody may" },
};

export function Tester({ policy, isChanged }: { policy: Policy; isChanged: boolean }) {
  const actions = $api.useQuery("get", "/api/v1/actions", undefined, { staleTime: Infinity });
  const [action, setAction] = useState<string | null>(null);
  const [requester, setRequester] = useState<string | null>("operations");
  const [endpoints, setEndpoints] = useState<string[]>([]);
  const asked = $api.useMutation("post", "/api/v1/approval-policy/try");
  const isReady = action !== null && requester !== null;
  const ask = (): void => {
    if (!isReady) return;
    asked.mutate({ body: { policy: policy as never, action, requester, endpoints } });
  };
  // An answer is for what was asked, not for what was chosen since.
  const data = (asked.variables?.body.policy as unknown) === policy ? asked.data : undefined;
  const answer = data === undefined ? undefined : ANSWERS[data.how];
  const forget = (): void => {
    asked.reset();
  };
  return (
    <div className={classes.box}>
      <Title order={2} size="h3" mb={4}>
        What would happen if…
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        Nothing is asked for and nothing is written.{" "}
        {isChanged ? "Asked are the settings as you changed them, not yet saved." : "Asked are the settings that hold."}
      </Text>
      <div className={classes.fields}>
        <Select
          label="Who asks"
          data={CLASSES.map((each) => ({ value: each.value, label: `${each.label} (${each.about})` }))}
          value={requester}
          allowDeselect={false}
          onChange={(next) => {
            forget();
            setRequester(next);
          }}
        />
        <Select
          label="For which action"
          searchable
          data={(actions.data ?? []).map((each) => ({ value: each.id, label: each.title }))}
          value={action}
          onChange={(next) => {
            forget();
            setAction(next);
          }}
        />
        <Endpoints
          hasLabel
          label="On which endpoints"
          value={endpoints}
          change={(next) => {
            forget();
            setEndpoints(next);
          }}
        />
      </div>
      <Group mt="sm">
        <Button
          disabled={!isReady}
          loading={asked.isPending}
          onClick={ask}
          leftSection={<IconPlayerPlay size={16} aria-hidden />}
        >
          Ask the settings
        </Button>
      </Group>
      <Failure error={asked.error} />
      {data === undefined || answer === undefined ? null : (
        <Stack gap={6} mt="md" role="status">
          <State state={answer.state} label={answer.label} />
          {data.how === "people" ? (
            <Text size="sm">
              {data.quorum === 1 ? "1 person" : `${String(data.quorum)} people`}
              {data.roles.length > 0
                ? `, each with one of the roles ${data.roles.map(words).join(", ")}`
                : " who may decide"}
              .
            </Text>
          ) : null}
          {typeof data.valid_for_seconds === "number" ? (
            <Text size="sm">The approval would be good for {longWords(data.valid_for_seconds)} at most.</Text>
          ) : null}
          {data.step_up ? <Text size="sm">Who asks confirms it with their password, a code or a passkey.</Text> : null}
          <ol className={approvals.steps}>
            {data.trace.map((line, index) => (
              <li key={`${String(index)} ${line}`}>
                <bdi>{clip(inert(line), 600)}</bdi>
              </li>
            ))}
          </ol>
        </Stack>
      )}
    </div>
  );
}
