/// The threat development chain: the processes as a tree, the key events marked, what is chosen on the right.

import { Group, Select, Skeleton, Text } from "@mantine/core";
import { IconBinaryTree } from "@tabler/icons-react";
import { useMemo, useState } from "react";

import { useFilters } from "../../../app/url";
import { Empty } from "../../../ui/Empty";
import { Stale } from "../../../ui/Stale";
import { Unread } from "../../../ui/Unread";
import { clip, count, inert } from "../../../ui/text";
import { Graph } from "../chain/Graph";
import { keyOf, treeOf } from "../chain/tree";
import type { Activity, WholeIncident } from "../types";
import { dayWords, clockWords } from "../words";
import { Details } from "./Details";
import { Gaps } from "./Gaps";
import { eventPlace, foremost, parsePlace, processPlace } from "./place";
import { Split } from "./Split";
import { useActivity } from "./useActivity";
import { useChain } from "./useIncident";

export default function ChainTab({ incident }: { incident: WholeIncident }) {
  const [search, set] = useFilters();
  const chain = incident.chains.some(({ id }) => id === search["chain"]) ? search["chain"] : undefined;
  const answer = useChain(incident.id, chain, incident.chain_count > 0);
  const tree = useMemo(() => treeOf(answer.data?.processes ?? []), [answer.data]);
  const asked = parsePlace(search["at"]);
  const found = useMemo(() => foremost(answer.data?.key_activities ?? []), [answer.data]);
  // What stands on the right is not taken from who reads it when a worse event comes.
  const [kept, keep] = useState<Activity>();
  const first = kept !== undefined && (chain === undefined || kept.chain === chain) ? kept : found;
  if (first !== kept) keep(first);
  const place = asked ?? (first === undefined ? undefined : parsePlace(eventPlace(first)));
  const event = useActivity(incident.id, place?.kind === "event" ? place : undefined).data;
  const chosen =
    place?.kind === "process"
      ? keyOf(place)
      : event === undefined
        ? undefined
        : keyOf({ chain: event.chain, ...event.process });
  const go = (at: string | undefined): void => {
    set({ at });
  };
  if (incident.chain_count === 0) {
    return (
      <Empty icon={IconBinaryTree} title="No chain was built">
        The events of this incident come from other products, or their endpoints sent no chain. Under Detections each
        says whether its endpoint can be asked for one.
      </Empty>
    );
  }
  if (answer.data === undefined) {
    return (
      <Unread answer={answer}>
        <Skeleton height={420} />
      </Unread>
    );
  }
  return (
    <>
      <Stale error={answer.error} at={answer.dataUpdatedAt} retry={() => void answer.refetch()} mb="sm" />
      <Gaps chains={answer.data.chains} isCut={answer.data.cut} />
      <Split
        label="Details"
        details={<Details incident={incident} place={place} tree={tree} go={go} />}
        isChosen={asked !== undefined}
        unchoose={() => {
          go(undefined);
        }}
      >
        <Graph
          key={chain ?? "all"}
          tree={tree}
          chains={answer.data.chains}
          chosen={chosen}
          choose={(node) => {
            go(processPlace(node.process));
          }}
          tools={
            incident.chains.length > 1 ? (
              <Group gap={6}>
                <Select
                  size="xs"
                  w={230}
                  aria-label="Chain"
                  placeholder={`All ${count(incident.chains.length, "chain")}`}
                  clearable
                  data={incident.chains.map(({ id, endpoint, opened_at: at }) => ({
                    value: id,
                    label: `${clip(inert(endpoint.name), 30)}, ${dayWords(at)} ${clockWords(at).slice(0, 5)}`,
                  }))}
                  value={chain ?? null}
                  onChange={(next) => {
                    set({ chain: next ?? undefined, at: undefined });
                  }}
                />
              </Group>
            ) : (
              <Text size="xs" c="dimmed">
                {count(tree.size, "process", "processes")}
                {incident.chains[0]?.closed === true ? ", closed" : ", kept current"}
              </Text>
            )
          }
        />
      </Split>
    </>
  );
}
