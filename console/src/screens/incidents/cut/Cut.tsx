/// Cutting the chain: the smallest ordered set of actions that stops an incident, what justifies each, and one confirmation.

import { Anchor, List, Skeleton, Stack, Text, Textarea, Title } from "@mantine/core";
import { IconCut, IconScissorsOff } from "@tabler/icons-react";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";

import { $api, api, data } from "../../../api/client";
import { asApiError } from "../../../api/problem";
import { refresh } from "../../../api/query";
import { Deed } from "../../../ui/Deed";
import { Empty } from "../../../ui/Empty";
import { Name } from "../../../ui/Name";
import { Note } from "../../../ui/Note";
import { Page } from "../../../ui/Page";
import { Steps } from "../../../ui/Steps";
import { Sure } from "../../../ui/Sure";
import { tell } from "../../../ui/tell";
import { count } from "../../../ui/text";
import { Unread } from "../../../ui/Unread";
import { useIncident } from "../page/useIncident";
import { sentence } from "../respond/offers";
import type { WholeIncident, Word } from "../types";
import { stopped, withoutEvents } from "../words";
import { chosenOf, type CutStep, type Manual, type Proposal } from "./cut";
import { Because, Step } from "./Step";
import classes from "./cut.module.css";

export default function Cut() {
  const { id = "" } = useParams({ strict: false });
  const incident = useIncident(id);
  const whole = incident.data?.data;
  const answer = $api.useQuery(
    "get",
    "/api/v1/incidents/{id}/cut",
    { params: { path: { id: whole?.id ?? "" } } },
    // What somebody looks at and ticks does not change under their hands; what is sent names it by its digest.
    { enabled: whole !== undefined, staleTime: Infinity, meta: { hasOwnNews: true } },
  );
  if (whole === undefined || answer.data === undefined) {
    return (
      <Page title="Cut the chain">
        <Unread answer={incident.error === null ? answer : incident}>
          <Skeleton height={360} />
        </Unread>
      </Page>
    );
  }
  const proposal = answer.data;
  return <Shown key={proposal.digest} incident={whole} proposal={proposal} again={() => void answer.refetch()} />;
}

type Props = { incident: WholeIncident; proposal: Proposal; again: () => void };

function Shown({ incident, proposal, again }: Props) {
  const [changed, change] = useState<ReadonlyMap<number, boolean>>(new Map());
  const [reason, setReason] = useState("");
  const [isSure, setSure] = useState(false);
  const [isTried, setTried] = useState(false);
  const chosen = chosenOf(proposal, changed);
  const steps = proposal.steps.filter(({ number }) => chosen.includes(number));
  const why =
    incident.not_yours != null
      ? sentence(incident.not_yours)
      : chosen.length === 0
        ? "Tick at least one step."
        : undefined;
  return (
    <Page
      title="Cut the chain"
      about={
        <span>
          The smallest set of actions, in their order, that stops{" "}
          <Anchor size="sm" underline="always" component={Link} to={`/incidents/${String(incident.number)}`}>
            incident #{incident.number}
          </Anchor>
          : <Name length={120}>{incident.title}</Name>
        </span>
      }
    >
      {proposal.steps.length === 0 ? (
        <Empty icon={IconScissorsOff} title="Nothing is proposed">
          What was found of the intruder is gone or cannot be acted on: what follows says what and why.
        </Empty>
      ) : (
        <Steps label="Steps, in their order">
          {proposal.steps.map((step) => (
            <Step
              key={step.number}
              incident={incident}
              step={step}
              steps={proposal.steps}
              chosen={chosen}
              tick={(is) => {
                change(new Map(changed).set(step.number, is));
              }}
            />
          ))}
        </Steps>
      )}
      <Stack gap="md" mt="lg">
        <ByHand incident={incident} manual={proposal.manual} />
        <Told title="What no action here does" told={proposal.not_available} />
        <Told title="Left alone" told={proposal.left} />
      </Stack>
      {proposal.steps.length === 0 ? null : (
        <div className={classes.foot}>
          <Textarea
            label="Reason"
            description="One for all steps. People read it, and it stays in the audit trail."
            required
            autosize
            minRows={1}
            maxRows={5}
            maxLength={2000}
            flex={1}
            miw={220}
            value={reason}
            onChange={(event) => {
              setReason(event.currentTarget.value);
            }}
            {...(isTried && reason.trim() === "" ? { error: "Say why." } : {})}
          />
          <Deed
            color="red.9"
            leftSection={<IconCut size={16} aria-hidden />}
            why={why}
            onClick={() => {
              setTried(true);
              if (reason.trim() !== "") setSure(true);
            }}
          >
            Cut the chain: {count(chosen.length, "step")}…
          </Deed>
        </div>
      )}
      {isSure ? (
        <Confirm
          incident={incident}
          proposal={proposal}
          steps={steps}
          reason={reason.trim()}
          again={again}
          close={() => {
            setSure(false);
          }}
        />
      ) : null}
    </Page>
  );
}

type ConfirmProps = Props & { steps: CutStep[]; reason: string; close: () => void };

/** The one confirmation: every step by name, what is asked for together, and what cannot be taken back. */
function Confirm({ incident, proposal, steps, reason, again, close }: ConfirmProps) {
  const navigate = useNavigate();
  const final = steps.filter(({ undone_by: by }) => by == null);
  const send = async (): Promise<void> => {
    try {
      const plan = await data(
        api.POST("/api/v1/incidents/{id}/cut", {
          params: { path: { id: incident.id } },
          body: { digest: proposal.digest, steps: steps.map(({ number }) => number), reason },
        }),
      );
      void refresh(
        "/api/v1/response-plans",
        "/api/v1/tasks",
        "/api/v1/incidents",
        "/api/v1/approvals",
        "/api/v1/overview",
      );
      void navigate({ to: `/response-plans/${plan.id}` });
    } catch (error) {
      if (asApiError(error).status !== 409) throw error;
      // What is proposed became another: it is read anew, and looked at again.
      tell(error);
      again();
    }
  };
  return (
    <Sure
      title={`Cut the chain: ${count(steps.length, "step")}`}
      deed={`Do ${count(steps.length, "step")}`}
      typed={{ what: "name", text: String(steps.length) }}
      act={send}
      close={close}
    >
      <List size="sm" type="ordered">
        {steps.map((step) => {
          const name = step.endpoint?.name;
          return (
            <List.Item key={step.number}>
              <b>{step.title}</b>
              {name === undefined ? (
                " for all endpoints"
              ) : (
                <>
                  {" on "}
                  <Name length={48}>{name}</Name>
                </>
              )}
              :{" "}
              <Name mono length={120}>
                {step.object}
              </Name>
            </List.Item>
          );
        })}
      </List>
      {final.length === 0 ? (
        <Text size="sm">Everything can be undone in one, on the page of the plan.</Text>
      ) : (
        <Note tone="warn">
          {final.length === 1 ? "Step" : "Steps"} {final.map(({ number }) => number).join(", ")} cannot be taken back;
          the others can, in one, on the page of the plan.
        </Note>
      )}
      <Text size="sm">
        They are asked for together: where people must agree, they decide about the plan as a whole, and its steps begin
        one after the other.
      </Text>
    </Sure>
  );
}

function ByHand({ incident, manual }: { incident: WholeIncident; manual: Manual[] }) {
  if (manual.length === 0) return null;
  return (
    <section aria-label="By hand">
      <Title order={2} size="h3" mb={4}>
        By hand
      </Title>
      <Text size="sm" c="dimmed" mb={6}>
        Only a person can do this.
      </Text>
      <List size="sm" spacing={6}>
        {manual.map((each, index) => {
          const name = each.endpoint.name;
          return (
            <List.Item key={`${String(index)} ${each.text}`} style={{ overflowWrap: "anywhere" }}>
              {name === undefined ? null : (
                <>
                  <b>
                    <Name length={48}>{name}</Name>
                  </b>
                  :{" "}
                </>
              )}
              <Name length={600}>{stopped(withoutEvents(each.text))}</Name>{" "}
              <Because incident={incident} because={each.because} />
            </List.Item>
          );
        })}
      </List>
    </section>
  );
}

function Told({ title, told }: { title: string; told: Word[] }) {
  if (told.length === 0) return null;
  return (
    <section aria-label={title}>
      <Title order={2} size="h3" mb={4}>
        {title}
      </Title>
      <List size="sm" spacing={4}>
        {told.map(({ code, text }, index) => (
          <List.Item key={`${String(index)} ${code}`} style={{ overflowWrap: "anywhere" }}>
            <Name length={600}>{stopped(withoutEvents(text))}</Name>
          </List.Item>
        ))}
      </List>
    </section>
  );
}
