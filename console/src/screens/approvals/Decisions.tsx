/// Who decided what so far, and who has to.

import { Box, Stack, Text, Title } from "@mantine/core";

import { Name } from "../../ui/Name";
import { State } from "../../ui/State";
import { inertLines } from "../../ui/text";
import { Time } from "../../ui/Time";
import classes from "./Approvals.module.css";
import { whoAgrees, type Request } from "./request";

export function Decisions({ request }: { request: Request }) {
  return (
    <Box className={classes.box} component="section" aria-label="Decisions">
      <Title order={2} size="h3" mb={4}>
        Decisions
      </Title>
      <Text size="sm" c="dimmed" mb={request.decisions.length > 0 ? "sm" : 0}>
        {request.quorum === 0
          ? "Nobody was asked: the settings answered."
          : `It takes ${whoAgrees(request)}. Who asked never decides.`}
      </Text>
      <Stack gap="sm">
        {request.decisions.map((one) => (
          <Box key={`${one.person} ${one.decided_at}`} td={one.revoked_at ? "line-through" : undefined}>
            <State
              state={one.decision === "approve" ? "approved" : "rejected"}
              label={one.decision === "approve" ? "Approved" : "Rejected"}
            />
            <Text size="sm">
              <b>
                <Name length={50}>{one.name}</Name>
              </b>{" "}
              <Text span c="dimmed" size="xs">
                <Time at={one.decided_at} /> by {one.via === "mail" ? "the link in a mail" : one.via}
                {one.signed ? " · signed" : ""}
              </Text>
            </Text>
            {one.note === "" ? null : (
              <blockquote className={classes.quote} dir="auto">
                <Text size="sm" component="span">
                  {inertLines(one.note)}
                </Text>
              </blockquote>
            )}
            {one.revoked_at ? (
              <Text size="xs" c="dimmed">
                taken back <Time at={one.revoked_at} />
              </Text>
            ) : null}
          </Box>
        ))}
      </Stack>
    </Box>
  );
}
