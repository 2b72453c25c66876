/// One request: everything a person needs to decide about it, and the decision.

import { Alert, Anchor, Box, Breadcrumbs, Button, Group, Loader, Stack, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconArrowRight } from "@tabler/icons-react";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";

import { $api } from "../../api/client";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { Page } from "../../ui/Page";
import { State } from "../../ui/State";
import { clip, inert, words } from "../../ui/text";
import { Time } from "../../ui/Time";
import classes from "./Approvals.module.css";
import { BlastRadius } from "./BlastRadius";
import { Decide, DecideBar } from "./Decide";
import { Decisions } from "./Decisions";
import { DeedFacts } from "./DeedFacts";
import { Quorum } from "./Quorum";
import { Remaining } from "./Remaining";
import { blastOf, hinders, isUnderWay, planOf, targetsOf, type Request } from "./request";
import { Withdraw } from "./Withdraw";

export default function RequestPage() {
  const { task = "" } = useParams({ strict: false });
  const { data, error, isPending, refetch } = $api.useQuery("get", "/api/v1/approvals/{id}", {
    params: { path: { id: task } },
  });
  if (isPending) return <Loader m="md" aria-label="Reading the request" />;
  if (data === undefined)
    return (
      <Page title="Request for approval">
        <Failure error={error} retry={() => void refetch()} />
      </Page>
    );
  // What was begun about one digest is not carried over to another.
  return <Shown key={data.digest} request={data} error={error} again={() => void refetch()} />;
}

function Shown({ request, error, again }: { request: Request; error: unknown; again: () => void }) {
  const isPhone = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const [asked, ask] = useState<"approve" | "reject" | undefined>();
  const targets = clip(inert(targetsOf(blastOf(request), 3)), 120);
  const isOpen = request.state === "pending" && hinders(request) === undefined;
  return (
    <Page
      title={`${request.title} on ${targets}`}
      about={
        <Breadcrumbs separator="·" mt={2}>
          <Anchor renderRoot={(props: Record<string, unknown>) => <Link {...props} to="/approvals" />} size="sm">
            Approvals
          </Anchor>
          <Text size="sm" component="span">
            asked by <Name length={40}>{request.requester}</Name> <Time at={request.created_at} />
          </Text>
        </Breadcrumbs>
      }
      actions={
        <Button
          variant="default"
          rightSection={<IconArrowRight size={16} aria-hidden />}
          renderRoot={(props: Record<string, unknown>) => (
            <Link {...props} to={"/tasks/$id" as never} params={{ id: request.task } as never} />
          )}
        >
          The task
        </Button>
      }
    >
      <Failure error={error} retry={again} mb="sm" />
      <Standing request={request} />
      <Box className={classes.columns}>
        <Stack gap="md" miw={0}>
          <DeedFacts request={request} />
          <BlastRadius request={request} />
        </Stack>
        <Stack gap="md" className={classes.panel} miw={0}>
          <OfPlan request={request} />
          {isPhone && isOpen ? null : <Decide request={request} />}
          <Decisions request={request} />
          <Withdraw request={request} />
        </Stack>
      </Box>
      {isPhone && isOpen ? <DecideBar request={request} asked={asked} ask={ask} /> : null}
    </Page>
  );
}

/** A step of a plan is decided about with the plan. */
function OfPlan({ request }: { request: Request }) {
  const plan = planOf(request);
  if (plan === undefined) return null;
  return (
    <Box className={classes.box} component="section" aria-label="Response plan">
      <Text size="sm" mb="xs">
        It is a step of a response plan: people decide about the plan as a whole.
      </Text>
      <Button
        fullWidth
        variant={request.state === "pending" ? "filled" : "default"}
        rightSection={<IconArrowRight size={16} aria-hidden />}
        renderRoot={(props: Record<string, unknown>) => <Link {...props} to={`/response-plans/${plan}`} />}
      >
        The plan
      </Button>
    </Box>
  );
}

/** How it stands, in one line. */
function Standing({ request }: { request: Request }) {
  const isPending = request.state === "pending";
  return (
    <Alert
      variant="outline"
      color={isPending ? "yellow" : "gray"}
      mb="md"
      py={8}
      role="status"
      styles={{ body: { minWidth: 0 } }}
    >
      <Group gap="xs" justify="space-between">
        <Group gap="sm">
          <State state={request.state} />
          <Quorum request={request} />
          {isPending ? (
            <Text size="sm">
              to be decided <Remaining until={request.expires_at} />
            </Text>
          ) : (
            <Text size="sm" c="dimmed">
              {request.decided_at ? (
                <>
                  decided <Time at={request.decided_at} />
                </>
              ) : null}
              {request.valid_until && isUnderWay(request) ? (
                <>
                  {" "}
                  · good <Remaining until={request.valid_until} over="no longer" />
                </>
              ) : null}
            </Text>
          )}
        </Group>
        {isPending ? null : (
          <Text size="sm">
            The task is <b>{words(request.task_state)}</b>.
          </Text>
        )}
      </Group>
    </Alert>
  );
}
