/// The deed: what is asked for, with which parameters, why, and the digest that a decision signs.

import { Box, Collapse, Group, Loader, Stack, Text, Title, UnstyledButton } from "@mantine/core";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";
import { useState, type ReactNode } from "react";

import { $api } from "../../api/client";
import { Copy } from "../../ui/Copy";
import { Facts } from "../../ui/Facts";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { Raw } from "../../ui/Raw";
import { inert, inertLines, words } from "../../ui/text";
import classes from "./Approvals.module.css";
import { digestOfIntent, fromBase64 } from "./digest";
import { paramsOf, type Param } from "./params";
import type { Request } from "./request";
import { ScriptBody } from "./ScriptBody";

export function DeedFacts({ request }: { request: Request }) {
  const action = $api.useQuery(
    "get",
    "/api/v1/actions/{id}",
    { params: { path: { id: request.action } } },
    { staleTime: Infinity },
  );
  const params = paramsOf(request.params, action.data?.params_schema);
  return (
    <Box className={classes.box}>
      <Title order={2} size="h3" mb={6}>
        What is asked for
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {action.data?.summary ?? words(request.action)}
      </Text>
      <Text size="xs" c="dimmed">
        Reason, in the words of <Name length={40}>{request.requester}</Name>
      </Text>
      <blockquote className={classes.quote} dir="auto">
        {inertLines(request.reason)}
      </blockquote>
      <Box mt="sm">
        <Facts
          rows={[
            [
              "Action",
              <Text key="action" span ff="monospace" size="sm">
                {request.action}
              </Text>,
            ],
            [
              "Asked by",
              <span key="who">
                <Name length={60}>{request.requester}</Name>
                {request.requester_kind === "api_key" ? " (a program)" : ""}
              </span>,
            ],
            ...params
              .filter((param) => !param.isDefault)
              .map((param): [string, ReactNode] => [param.name, <Value key={param.key} param={param} />]),
          ]}
        />
      </Box>
      {params
        .filter((param) => param.isScript)
        .map((param) => (
          <ScriptBody key={param.key} reference={param.value} />
        ))}
      <More title="Parameters left as they come, and all of it raw">
        <Facts
          rows={params
            .filter((param) => param.isDefault)
            .map((param): [string, ReactNode] => [param.name, <Value key={param.key} param={param} isTold />])}
        />
        <Box mt="xs">
          <Raw value={request.params} label="Parameters" mah={260} />
        </Box>
      </More>
      <More title="What is signed">
        <Signed request={request} />
      </More>
    </Box>
  );
}

function Value({ param, isTold = false }: { param: Param; isTold?: boolean }) {
  return (
    <Stack gap={0}>
      <Text size="sm" ff="monospace" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        <bdi>{inertLines(param.value)}</bdi>
      </Text>
      {param.about === "" || !isTold ? null : (
        <Text size="xs" c="dimmed">
          {param.about}
        </Text>
      )}
    </Stack>
  );
}

/** Opened by who wants it. */
export function More({ title, children }: { title: string; children: ReactNode }) {
  const [isOpen, setOpen] = useState(false);
  const Shape = isOpen ? IconChevronDown : IconChevronRight;
  return (
    <Box mt="xs">
      <UnstyledButton
        aria-expanded={isOpen}
        onClick={() => {
          setOpen(!isOpen);
        }}
        py={4}
      >
        <Group gap={4} wrap="nowrap">
          <Shape size={16} aria-hidden />
          <Text size="sm" c="var(--mantine-color-anchor)">
            {title}
          </Text>
        </Group>
      </UnstyledButton>
      <Collapse expanded={isOpen}>{isOpen ? <Box pt={4}>{children}</Box> : null}</Collapse>
    </Box>
  );
}

/** The intent as the server keeps it, with its digest computed here. */
function Signed({ request }: { request: Request }) {
  const intent = $api.useQuery("get", "/api/v1/tasks/{id}/intent", { params: { path: { id: request.task } } });
  const [computed, setComputed] = useState<string | undefined>();
  if (intent.data !== undefined && computed === undefined)
    void digestOfIntent(fromBase64(intent.data.intent)).then(setComputed, () => {
      setComputed("");
    });
  return (
    <Stack gap={6}>
      <Text size="sm">
        A decision names the SHA-256 of the intent: action and revision, parameters, targets, who asked, until when. Any
        change of these is another digest, and what was decided is not for it.
      </Text>
      <Group gap={4} wrap="nowrap">
        <Text size="xs" ff="monospace" style={{ overflowWrap: "anywhere" }}>
          {request.digest}
        </Text>
        <Copy value={request.digest} label="Copy the digest" />
      </Group>
      {intent.isPending ? <Loader size="xs" aria-label="Reading the intent" /> : null}
      <Failure error={intent.error} />
      {intent.data === undefined || computed === undefined ? null : (
        <Text
          size="sm"
          c={computed === request.digest ? "var(--quell-ok)" : computed === "" ? "dimmed" : "var(--quell-bad)"}
        >
          {computed === request.digest
            ? "Computed here from the bytes of the intent: it is the same."
            : computed === ""
              ? "It could not be computed here: browsers do so on encrypted pages alone."
              : `Computed here from the bytes of the intent: another one, ${inert(computed)}. Do not approve; tell your administrator.`}
        </Text>
      )}
      <Text size="sm" c="dimmed">
        To read and sign the very bytes away from this server: <code>quell trust sign {request.task} --key …</code>
      </Text>
    </Stack>
  );
}
