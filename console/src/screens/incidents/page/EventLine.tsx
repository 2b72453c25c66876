/// An activity event on a line that can be pressed.

import { Text, UnstyledButton } from "@mantine/core";

import { Name } from "../../../ui/Name";
import { DetectionIcon, kindIcon } from "../Severity";
import type { Activity } from "../types";
import { clockWords, kindWords } from "../words";
import classes from "./page.module.css";

type Props = { event: Activity; choose: () => void; isChosen?: boolean };

export function EventLine({ event, choose, isChosen = false }: Props) {
  const Kind = kindIcon(event.kind);
  return (
    <UnstyledButton
      className={classes.event ?? ""}
      onClick={choose}
      aria-current={isChosen}
      data-kind={event.kind}
      data-is-key={event.is_key || undefined}
    >
      <Kind size={16} role="img" aria-label={kindWords(event.kind)} style={{ flex: "none", marginTop: 2 }} />
      <span className={classes.text}>
        <Text component="span" display="block" size="sm" lh={1.3}>
          <Name length={160}>{event.summary}</Name>
        </Text>
        <Text component="span" size="xs" c="dimmed" ff="monospace">
          {clockWords(event.at)}
        </Text>
      </span>
      {event.is_key ? <DetectionIcon /> : null}
    </UnstyledButton>
  );
}
