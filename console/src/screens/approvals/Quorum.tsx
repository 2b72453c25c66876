/// How many of those who have to agree did.

import { Group, Text, Tooltip } from "@mantine/core";
import { IconCircle, IconCircleCheckFilled } from "@tabler/icons-react";

import { clip, inert } from "../../ui/text";
import classes from "./Approvals.module.css";
import { agreed, whoAgrees, type Request } from "./request";

/** Marks drawn; more are a number alone. */
const DRAWN = 5;

export function Quorum({ request }: { request: Request }) {
  if (request.quorum === 0) return null;
  const have = Math.min(agreed(request), request.quorum);
  const who = request.decisions.filter((one) => one.decision === "approve" && !one.revoked_at).map((one) => one.name);
  const about = `Needs ${whoAgrees(request)}.${who.length > 0 ? ` Agreed: ${who.join(", ")}.` : ""}`;
  return (
    <Tooltip label={clip(inert(about), 600)}>
      <Group gap={4} wrap="nowrap" className={classes.above}>
        {request.quorum <= DRAWN
          ? Array.from({ length: request.quorum }, (_, index) =>
              index < have ? (
                <IconCircleCheckFilled
                  key={index}
                  size={15}
                  className={classes.mark}
                  color="var(--quell-ok)"
                  aria-hidden
                />
              ) : (
                <IconCircle
                  key={index}
                  size={15}
                  className={classes.mark}
                  color="var(--mantine-color-dimmed)"
                  aria-hidden
                />
              ),
            )
          : null}
        <Text size="sm" fw={550}>
          {have} of {request.quorum} agreed
        </Text>
      </Group>
    </Tooltip>
  );
}
