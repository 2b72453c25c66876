/// What waits for a decision: what this person can decide first, then what waits for others, and why.

import { Button, Group, SegmentedControl, Text, Title } from "@mantine/core";
import { IconChecks } from "@tabler/icons-react";
import { useMemo, useRef, useState, type KeyboardEvent } from "react";

import { useFilters } from "../../app/url";
import { Empty } from "../../ui/Empty";
import { Failure } from "../../ui/Failure";
import { SearchInput } from "../../ui/SearchInput";
import { Unread } from "../../ui/Unread";
import { count } from "../../ui/text";
import classes from "./Approvals.module.css";
import { Card } from "./Card";
import { DecideMany } from "./DecideMany";
import { PlanCards } from "./PlanCards";
import { blastOf, planOf, usePending, type Request } from "./request";

/** Requests drawn at once. */
const STEP = 50;
/** Requests that one decision may be about. */
const MOST = 200;

function has(request: Request, text: string): boolean {
  const held = [
    request.title,
    request.action,
    request.requester,
    request.reason,
    ...blastOf(request).endpoints.map((endpoint) => endpoint.name),
  ];
  return held.some((each) => each.toLowerCase().includes(text));
}

/** The oldest first: it ends first, and somebody has waited longest. */
function oldest(one: Request, other: Request): number {
  return one.created_at.localeCompare(other.created_at);
}

export function Inbox() {
  const [filters, set] = useFilters();
  const pending = usePending();
  const [picked, pick] = useState<ReadonlySet<string>>(new Set());
  const [word, decide] = useState<"approve" | "reject" | undefined>();
  const [shown, setShown] = useState(STEP);
  const text = (filters["text"] ?? "").toLowerCase();
  const who = filters["who"] ?? "all";

  const [mine, others, plans] = useMemo(() => {
    const all = (pending.data?.items ?? []).filter((request) => text === "" || has(request, text)).sort(oldest);
    const found = all.filter((request) => planOf(request) === undefined);
    return [
      found.filter((request) => request.you?.can_decide),
      found.filter((request) => !request.you?.can_decide),
      all.filter((request) => planOf(request) !== undefined),
    ] as const;
  }, [pending.data, text]);
  // What was decided meanwhile, by whomever, is not selected any more.
  const chosen = mine.filter((request) => picked.has(request.task)).slice(0, MOST);
  const list = useRef<HTMLUListElement>(null);
  const toggle = (task: string): void => {
    const next = new Set(picked);
    if (!next.delete(task)) next.add(task);
    pick(next);
  };

  // The keys of every list: `j` and `k` move, `x` selects; Enter opens the link that has the focus.
  const keys = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const card = (event.target as HTMLElement).closest<HTMLElement>("[data-task]");
    const cards = [...(list.current?.querySelectorAll<HTMLElement>("[data-task]") ?? [])];
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (card === null) return;
    if (step !== undefined) {
      event.preventDefault();
      cards[cards.indexOf(card) + step]?.querySelector("a")?.focus();
    }
    if (event.key === "x" && card.dataset["task"] !== undefined) {
      event.preventDefault();
      toggle(card.dataset["task"]);
    }
  };

  if (pending.data === undefined) return <Unread answer={pending} label="Reading what waits" m="md" />;
  // What several were decided says stays to be read when nothing else waits.
  if (pending.data.items.length === 0 && word === undefined)
    return (
      <Empty icon={IconChecks} title="Nothing waits for a decision">
        Actions come here when the approval settings want people to agree: by a rule, because an outside team asks, or
        because an endpoint is protected. You see what it would touch before you decide.
      </Empty>
    );
  return (
    <>
      <Group gap="xs" mb="sm">
        <SearchInput
          isMain
          label="Search"
          w={260}
          value={filters["text"] ?? ""}
          change={(text) => {
            set({ text: text || undefined });
          }}
        />
        <SegmentedControl
          aria-label="Whose decision"
          value={who}
          onChange={(next) => {
            set({ who: next === "all" ? undefined : next });
          }}
          data={[
            { value: "all", label: `All (${String(mine.length + others.length)})` },
            { value: "me", label: `Yours (${String(mine.length)})` },
          ]}
        />
      </Group>
      <Failure error={pending.error} mb="sm" />
      <PlanCards requests={plans} />
      <Group justify="space-between" mb={6} mih={30}>
        <Title order={2} size="h3">
          Waits for you
        </Title>
        {mine.length > 1 ? (
          <Button
            size="compact-sm"
            variant="subtle"
            onClick={() => {
              pick(new Set(chosen.length === mine.length ? [] : mine.slice(0, MOST).map((request) => request.task)));
            }}
          >
            {chosen.length === mine.length ? "Select none" : `Select all ${String(mine.length)}`}
          </Button>
        ) : null}
      </Group>
      {mine.length === 0 ? (
        <Text c="dimmed" size="sm" mb="md">
          {text === "" ? "Nothing that you can decide." : "Nothing with this text that you can decide."}
        </Text>
      ) : (
        <ul className={classes.list} aria-label="Requests that you can decide" ref={list} onKeyDown={keys}>
          {mine.slice(0, shown).map((request) => (
            <Card
              key={request.task}
              request={request}
              isSelected={picked.has(request.task)}
              select={() => {
                toggle(request.task);
              }}
            />
          ))}
        </ul>
      )}
      {chosen.length > 0 ? (
        <div className={classes.selected} role="region" aria-label="Selected requests">
          <Text size="sm" fw={600}>
            {count(chosen.length, "request")} selected
          </Text>
          <Group gap="xs">
            <Button
              variant="default"
              onClick={() => {
                pick(new Set());
              }}
            >
              Select none
            </Button>
            <Button
              color="red.9"
              onClick={() => {
                decide("reject");
              }}
            >
              Reject {String(chosen.length)}…
            </Button>
            <Button
              onClick={() => {
                decide("approve");
              }}
            >
              Approve {String(chosen.length)}…
            </Button>
          </Group>
        </div>
      ) : null}
      {who === "me" || others.length === 0 ? null : (
        <>
          <Title order={2} size="h3" mt="lg" mb={6}>
            Waits for others
          </Title>
          <ul className={classes.list} aria-label="Requests that others decide">
            {others.slice(0, shown).map((request) => (
              <Card key={request.task} request={request} />
            ))}
          </ul>
        </>
      )}
      {Math.max(mine.length, who === "me" ? 0 : others.length) > shown ? (
        <Button
          variant="default"
          mt="sm"
          onClick={() => {
            setShown(shown + STEP);
          }}
        >
          Show more
        </Button>
      ) : null}
      {pending.data.next ? (
        <Text c="dimmed" size="sm" mt="sm">
          More than 500 requests wait: the newest 500 are shown. The history lists all of them.
        </Text>
      ) : null}
      {word === undefined ? null : (
        <DecideMany
          word={word}
          requests={chosen}
          close={() => {
            decide(undefined);
          }}
          done={() => {
            pick(new Set());
          }}
        />
      )}
    </>
  );
}
