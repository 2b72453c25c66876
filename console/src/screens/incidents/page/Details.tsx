/// What is known of what was chosen: a process, or an activity event.

import { Text } from "@mantine/core";

import type { Tree } from "../chain/tree";
import { keyOf } from "../chain/tree";
import type { WholeIncident } from "../types";
import { EventDetails } from "./EventDetails";
import type { Place } from "./place";
import { ProcessDetails } from "./ProcessDetails";

type Props = {
  incident: Pick<WholeIncident, "id" | "number">;
  place: Place | undefined;
  tree: Tree | undefined;
  go: (at: string | undefined) => void;
};

export function Details({ incident, place, tree, go }: Props) {
  if (place === undefined) {
    return (
      <Text size="sm" c="dimmed">
        Choose a process or an event: what is known of it stands here, with what can be done about it.
      </Text>
    );
  }
  if (place.kind === "event") return <EventDetails incident={incident} place={place} tree={tree} go={go} />;
  const node = tree?.byKey.get(keyOf(place));
  if (node === undefined) {
    return (
      <Text size="sm" c="dimmed">
        This process is not in what was read of the chain.
      </Text>
    );
  }
  return <ProcessDetails key={node.key} incident={incident} node={node} go={go} />;
}
