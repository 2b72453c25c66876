/// One request in the inbox: what, on what, who and why, how urgent, how far it is.

import { Checkbox, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { memo } from "react";

import { Name } from "../../ui/Name";
import { clip, inert } from "../../ui/text";
import { Time } from "../../ui/Time";
import classes from "./Approvals.module.css";
import { Quorum } from "./Quorum";
import { Remaining } from "./Remaining";
import { blastOf, hinders, targetsOf, type Request } from "./request";
import { Warnings } from "./Warnings";

type Props = { request: Request; isSelected?: boolean; select?: () => void };

export const Card = memo(function Card({ request, isSelected = false, select }: Props) {
  const targets = clip(inert(targetsOf(blastOf(request))), 160);
  const why = hinders(request);
  return (
    <li
      className={classes.card}
      data-selected={isSelected || undefined}
      data-mine={select ? true : undefined}
      data-task={request.task}
    >
      <span className={classes.tick}>
        {select ? (
          <Checkbox
            size="sm"
            aria-label={`Select ${request.title} on ${targets}`}
            checked={isSelected}
            onChange={select}
          />
        ) : null}
      </span>
      <div>
        <Link to="/approvals/$task" params={{ task: request.task }} className={classes.title}>
          {request.title}{" "}
          <Text span c="dimmed" fw={400}>
            on
          </Text>{" "}
          <bdi>{targets}</bdi>
        </Link>
        <Text size="sm" className={classes.reason}>
          <bdi>{clip(inert(request.reason), 400)}</bdi>
        </Text>
        <Text size="xs" c="dimmed" component="div" mt={2}>
          <Name length={50}>{request.requester}</Name>
          {request.requester_kind === "api_key" ? " (a program)" : ""} · asked{" "}
          <span className={classes.above}>
            <Time at={request.created_at} />
          </span>{" "}
          · ends{" "}
          <span className={classes.above}>
            <Remaining until={request.expires_at} />
          </span>
        </Text>
      </div>
      <div className={classes.side}>
        <Quorum request={request} />
        <Warnings request={request} />
        {select || why === undefined ? null : (
          <Text size="xs" c="dimmed" ta="end" maw={240}>
            Not yours: {why}.
          </Text>
        )}
        {request.you?.signing ? (
          <Text size="xs" c="var(--quell-warn)">
            wants your signature
          </Text>
        ) : null}
      </div>
    </li>
  );
});
