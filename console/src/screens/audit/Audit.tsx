/// Who did what, to what, when, from where and with what outcome; and whether that trail is whole.

import { ActionIcon, Pill, Select, TextInput } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import { useMemo, useState } from "react";

import { $api } from "../../api/client";
import { sift } from "../../app/rules";
import { useFilters, type Search } from "../../app/url";
import { Filters, type Choice } from "../../ui/Filters";
import { Odd } from "../../ui/Odd";
import { Page } from "../../ui/Page";
import { clip, inert } from "../../ui/text";
import { fromField, isMoment, moment, PRESETS, toField } from "../tasks/since";
import { Trail, type TrailQuery } from "./Trail";
import { Verification } from "./Verification";

const RULES = { since: isMoment, until: isMoment };

export default function Audit() {
  const [search] = useFilters();
  const [understood, odd] = sift(search, RULES);
  const query = useQueryOf(understood);
  return (
    <Page title="Audit" about="Every change, every secret that was read and every refusal, sealed as it happens.">
      <Verification />
      <AuditFilters />
      <Odd words={odd} />
      <Trail query={query} />
    </Page>
  );
}

/** The words of the address as the API wants them; a span that ends now begins at a whole minute. */
function useQueryOf(search: Search): TrailQuery {
  const { text, verb, actor, object, since, until } = search;
  return useMemo(() => {
    const now = Date.now();
    const wanted = { text, verb, actor, object, since: moment(since, now), until: moment(until, now) };
    return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined && value !== ""));
  }, [text, verb, actor, object, since, until]);
}

function AuditFilters() {
  const [search, set] = useFilters();
  // What there is to choose from: what the newest records hold, and what is chosen.
  const { data } = $api.useQuery("get", "/api/v1/audit", { params: { query: { limit: 500 } } }, { staleTime: 60_000 });
  const choices = useMemo<Choice[]>(() => {
    const verbs = new Set<string>();
    const actors = new Map<string, string>();
    for (const record of data?.items ?? []) {
      verbs.add(record.verb);
      if (!actors.has(record.actor_id)) actors.set(record.actor_id, record.actor_name || record.actor_id);
    }
    if (search["verb"]) verbs.add(search["verb"]);
    if (search["actor"] && !actors.has(search["actor"])) actors.set(search["actor"], search["actor"]);
    return [
      {
        name: "verb",
        label: "What",
        options: [...verbs].sort().map((verb) => ({ value: verb, label: clip(inert(verb), 60) })),
      },
      {
        name: "actor",
        label: "Who",
        options: [...actors].map(([value, name]) => ({ value, label: clip(inert(name), 60) })),
      },
    ];
  }, [data, search]);
  return (
    <Filters search="text" choices={choices} views="audit" own={["since", "until", "object"]}>
      <Span />
      {search["object"] ? (
        <Pill
          size="lg"
          withRemoveButton
          removeButtonProps={{ "aria-label": "Not only about this object" }}
          onRemove={() => {
            set({ object: undefined });
          }}
        >
          about …{clip(inert(search["object"].slice(-12)), 44)}
        </Pill>
      ) : null}
    </Filters>
  );
}

/** When: the last hour and the like, or between two moments. */
function Span() {
  const [search, set] = useFilters();
  const { since, until } = search;
  const isOwn = until !== undefined || (since !== undefined && !PRESETS.some(({ value }) => value === since));
  const [isOpen, setOpen] = useState(false);
  const isBetween = isOwn || isOpen;
  const clear = (): void => {
    setOpen(false);
    set({ since: undefined, until: undefined });
  };
  return (
    <>
      <Select
        aria-label="When"
        placeholder="Any time"
        clearable
        w={180}
        data={[...PRESETS, { value: "between", label: "Between…" }]}
        value={isBetween ? "between" : (since ?? null)}
        onChange={(value) => {
          setOpen(value === "between");
          if (value !== "between") set({ since: value ?? undefined, until: undefined });
        }}
      />
      {isBetween ? (
        <>
          {(["since", "until"] as const).map((name) => (
            <TextInput
              key={name}
              type="datetime-local"
              aria-label={name === "since" ? "Not before" : "Before"}
              value={toField(moment(search[name], Date.now()))}
              onChange={(event) => {
                set({ [name]: fromField(event.currentTarget.value) });
              }}
            />
          ))}
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Any time" onClick={clear}>
            <IconX size={16} />
          </ActionIcon>
        </>
      ) : null}
    </>
  );
}
