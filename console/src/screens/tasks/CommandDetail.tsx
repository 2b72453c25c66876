/// One command as a person wants it: what it says, what proves it, what came of it; and all of it raw.

import { Alert, Anchor, Stack, Tabs, Text, Title } from "@mantine/core";
import { IconInfoCircle } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { isForService } from "../../act/draft";
import { api, data } from "../../api/client";
import { Facts } from "../../ui/Facts";
import { Name } from "../../ui/Name";
import { Raw } from "../../ui/Raw";
import { State } from "../../ui/State";
import { inertLines } from "../../ui/text";
import { Time } from "../../ui/Time";
import { ArtifactsOf } from "../artifacts/ArtifactsOf";
import { useAction } from "./catalogue";
import { HowFar, Took } from "./Commands";
import { Evidence } from "./Evidence";
import { readEvidence } from "./evidence";
import { Outcome } from "./Outcome";
import { Restores } from "./Restores";
import { Reveal } from "./Reveal";
import { isNothing, type Schema } from "./schema";
import { isEnded, type Command } from "./words";

export function CommandDetail({ command }: { command: Command }) {
  const [tab, setTab] = useState<string | null>("words");
  return (
    <Tabs value={tab} onChange={setTab} keepMounted={false}>
      <Tabs.List mb="sm">
        <Tabs.Tab value="words">In words</Tabs.Tab>
        <Tabs.Tab value="raw">Raw</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="words">
        <InWords command={command} />
      </Tabs.Panel>
      <Tabs.Panel value="raw">
        <Stack gap="sm">
          <Raw value={command.evidence ?? null} label="evidence" />
          <Raw value={command.outcome ?? null} label="outcome" />
          <Raw value={{ ...command, evidence: undefined, outcome: undefined }} label="command" />
        </Stack>
      </Tabs.Panel>
    </Tabs>
  );
}

function InWords({ command }: { command: Command }) {
  const action = useAction(command.action);
  const schema = action?.outcome_schema as Schema | undefined;
  const evidence = readEvidence(command.evidence, command.outcome);
  return (
    <Stack gap="md">
      <Facts
        rows={[
          isForService(action)
            ? [
                "Service",
                <Name key="service" length={80}>
                  {command.endpoint_name}
                </Name>,
              ]
            : [
                "Endpoint",
                <Anchor key="endpoint" component={Link} to={`/endpoints/${command.endpoint_id}`} size="sm">
                  <Name length={80}>{command.endpoint_name}</Name>
                </Anchor>,
              ],
          [
            "Status",
            <State key="state" state={command.state} reason={isEnded(command.state) ? command.reason_code : null} />,
          ],
          ["Terminal", command.action === SHELL ? <ToShell key="shell" command={command} /> : null],
          ["Progress", isEnded(command.state) ? null : <HowFar key="far" command={command} />],
          [
            "Ran",
            command.started_at ? (
              <>
                <Took command={command} />, begun <Time at={command.started_at} />
              </>
            ) : null,
          ],
          ["Handed out", command.attempts > 1 ? `${String(command.attempts)} times` : null],
        ]}
      />
      {command.message ? <Message command={command} /> : null}
      {command.evidence || evidence.probes.length > 0 ? (
        <section aria-label="Evidence">
          <Title order={3} mb={6}>
            Evidence
          </Title>
          <Evidence evidence={evidence} />
        </section>
      ) : null}
      {isNothing(command.outcome) ? null : (
        <section aria-label="Outcome">
          <Title order={3} mb={6}>
            Outcome
          </Title>
          <Outcome value={command.outcome} schema={schema} name={`${command.endpoint_name}-${command.id.slice(-8)}`} />
        </section>
      )}
      <Restores command={command} />
      <ArtifactsOf task={command.task_id} command={command.id} isLive={!isEnded(command.state)} />
      {action?.secrets.includes("release_code") && command.started_at ? <ReleaseCode command={command} /> : null}
    </Stack>
  );
}

const SHELL = "endpoint.remote_shell";

/** A shell has a place of its own, from when it is asked for until its recording expires. */
function ToShell({ command }: { command: Command }) {
  return (
    <Anchor component={Link} to={`/shells/${command.id}`} size="sm">
      {isEnded(command.state) ? "Look at its recording" : "Go to the terminal"}
    </Anchor>
  );
}

/** Why it ended so, in the words of who carried it out. */
function Message({ command }: { command: Command }) {
  return (
    <Alert variant="default" icon={<IconInfoCircle aria-hidden />} title="What the endpoint says" p="sm">
      <Text size="sm" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        {inertLines(command.message ?? "")}
      </Text>
      {command.reason_code ? (
        <Text size="xs" c="dimmed">
          {command.reason_code}
        </Text>
      ) : null}
    </Alert>
  );
}

function ReleaseCode({ command }: { command: Command }) {
  return (
    <section aria-label="Release code">
      <Title order={3} mb={6}>
        Release code
      </Title>
      <Reveal
        what="the release code"
        about="Ends this isolation once, typed at the endpoint itself (quell-agent release): for when the server cannot be reached."
        read={async () => {
          const shown = await data(
            api.POST("/api/v1/commands/{id}/release-code", { params: { path: { id: command.id } } }),
          );
          return shown.release_code;
        }}
      />
    </section>
  );
}
