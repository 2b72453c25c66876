/// The confirmation of a response: what will happen, to what, what it touches, why, and how it is taken back.

import { Box, Checkbox, Modal, Stack, Text, Textarea } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { type KeyboardEvent } from "react";

import { Blast } from "../../../act/Blast";
import { Foot } from "../../../act/Foot";
import { Marks } from "../../../act/Marks";
import { Period, PRESETS } from "../../../act/Terms";
import act from "../../../act/act.module.css";
import { SchemaForm } from "../../../form/SchemaForm";
import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import { Note } from "../../../ui/Note";
import type { Offer } from "../types";
import { sentence, type About } from "./offers";
import { useRespond, type Response } from "./useRespond";

export type Asked = { incident: { id: string; number: number }; offer: Offer; about: About };

export default function RespondDialog({ asked, close }: { asked: Asked; close: () => void }) {
  const response = useRespond(asked, close);
  const isNarrow = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const keys = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (response.why === undefined) response.send();
  };
  return (
    <Modal
      opened
      onClose={close}
      title={`Respond from incident #${String(asked.incident.number)}`}
      size={1000}
      fullScreen={isNarrow}
      yOffset="4vh"
      centered={false}
      closeOnClickOutside={false}
      closeOnEscape={!response.isSending}
    >
      <Box onKeyDown={keys} data-testid="respond">
        <Box className={act.body}>
          <Stack gap="md">
            <What asked={asked} response={response} />
            <How asked={asked} response={response} />
            <Why response={response} isFirst={!asked.offer.asks} />
          </Stack>
          <Blast
            draft={response.draft}
            titles={response.titles}
            preview={response.preview}
            error={response.previewError}
            askAgain={response.askAgain}
            isAsking={response.isAsking}
            isOld={response.isOld}
            open={response.open}
          />
        </Box>
        <Foot last={response} deed={asked.offer.title} effect={undefined} why={response.why} close={close} />
      </Box>
    </Modal>
  );
}

function What({ asked: { offer }, response }: { asked: Asked; response: Response }) {
  return (
    <Box className={act.chosen}>
      <Text fw={650}>{offer.title}</Text>
      {response.action === undefined ? null : (
        <>
          <Text size="xs" c="dimmed" mb={4}>
            {response.action.summary}
          </Text>
          <Marks action={response.action} titles={response.titles} />
        </>
      )}
      {offer.object == null || offer.object === "" || offer.object === offer.endpoint?.name ? null : (
        <Text size="sm" mt={6} style={{ overflowWrap: "anywhere" }}>
          Object:{" "}
          <Text component="span" size="sm" fw={600}>
            <Name mono length={300}>
              {offer.object}
            </Name>
          </Text>
        </Text>
      )}
      <Text size="sm">
        {offer.endpoint == null ? (
          "On every endpoint that the block list reaches."
        ) : (
          <>
            On <Name length={60}>{offer.endpoint.name}</Name>
          </>
        )}
      </Text>
      {offer.warnings.length === 0 ? null : (
        <Stack gap={6} mt={8}>
          {offer.warnings.map(({ code, text }) => (
            <Note key={code} tone="warn">
              <Name length={400}>{sentence(text)}</Name>
            </Note>
          ))}
        </Stack>
      )}
    </Box>
  );
}

function How({ asked: { offer }, response }: { asked: Asked; response: Response }) {
  if (offer.asks) {
    if (response.schemaError !== null) return <Failure error={response.schemaError} />;
    return (
      <Box component="section" aria-label="Parameters">
        <SchemaForm
          fields={response.fields}
          values={response.values}
          change={response.changeValues}
          problems={response.problems}
        />
      </Box>
    );
  }
  if (offer.choices.length === 0) return null;
  return (
    <Stack gap={8}>
      {offer.choices.map(({ field, text }) => (
        <Checkbox
          key={field}
          label={sentence(text)}
          checked={response.isChosen(field)}
          onChange={(event) => {
            response.choose(field, event.currentTarget.checked);
          }}
        />
      ))}
    </Stack>
  );
}

function Why({ response, isFirst }: { response: Response; isFirst: boolean }) {
  const problem = response.problem("reason");
  return (
    <Stack gap="sm">
      <Textarea
        label="Reason"
        description="People read it, and it stays in the audit trail."
        required
        {...(isFirst ? { "data-autofocus": true } : {})}
        autosize
        minRows={2}
        maxRows={8}
        maxLength={2000}
        value={response.reason}
        onChange={(event) => {
          response.say(event.currentTarget.value);
        }}
        {...(problem === undefined ? {} : { error: problem })}
      />
      {response.hasWayBack ? (
        <Period
          label="Take it back"
          description="By itself, this long after its effect."
          none="Not by itself"
          presets={PRESETS}
          value={response.revertAfter}
          change={response.setRevertAfter}
          error={response.problem("revert_after_seconds")}
        />
      ) : null}
    </Stack>
  );
}
