/// A text looked for in the recordings of many shells, one after the other; each hit leads to its moment.

import { Anchor, Box, Button, Group, Progress, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useEffect, useRef, useState, type FormEvent } from "react";

import { api, data, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { useFilters } from "../../app/url";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { SearchInput } from "../../ui/SearchInput";
import { count } from "../../ui/text";
import { Time } from "../../ui/Time";
import { clock } from "./cast";
import type { Shell } from "./Live";
import classes from "./Shells.module.css";

/** Shells that are searched at once, the newest; hits of one that are shown. */
const MOST = 100;
const SHOWN = 5;

type Hit = { shell: Shell; matches: Schemas["Matches"] };
type Search = { text: string; done: number; of: number | undefined; hits: Hit[]; error: unknown };

/** `query` is what the list below is filtered by. */
export function Find({ query }: { query: { state?: string; endpoint?: string } }) {
  const me = useMe();
  const [filters, set] = useFilters();
  const wanted = filters["find"] ?? "";
  const [text, setText] = useState(wanted);
  const [search, setSearch] = useState<Search>();
  const { state, endpoint } = query;
  const why = whyNot(me, "artifact.download");
  // A link with a text fills the box; each search is recorded, so somebody has to ask for it.
  const [asked, ask] = useState<{ text: string }>();
  const stop = useRef<AbortController | undefined>(undefined);
  useEffect(() => {
    if (asked === undefined) return undefined;
    const stopping = new AbortController();
    stop.current = stopping;
    void look(
      asked.text,
      { ...(state ? { state } : {}), ...(endpoint ? { endpoint } : {}) },
      stopping.signal,
      setSearch,
    );
    return () => {
      stopping.abort();
    };
  }, [asked, state, endpoint]);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const trimmed = text.trim();
    set({ find: trimmed === "" ? undefined : trimmed });
    if (trimmed === "") setSearch(undefined);
    ask(trimmed === "" ? undefined : { text: trimmed });
  };
  const isRunning =
    search !== undefined && search.error === null && (search.of === undefined || search.done < search.of);
  return (
    <Box mb="md">
      <form onSubmit={submit}>
        <Group gap="xs" align="flex-end">
          <SearchInput flex="0 1 360px" label="Look for a text in recordings" value={text} change={setText} />
          <Deed type="submit" variant="default" why={why}>
            Look
          </Deed>
          {isRunning ? (
            <Button
              variant="subtle"
              onClick={() => {
                stop.current?.abort();
                setSearch({ ...search, of: search.done });
              }}
            >
              Stop
            </Button>
          ) : null}
        </Group>
      </form>
      {search === undefined ? null : <Found search={search} isRunning={isRunning} />}
    </Box>
  );
}

async function look(
  text: string,
  query: { state?: string; endpoint?: string },
  signal: AbortSignal,
  tell: (search: Search) => void,
): Promise<void> {
  const search: Search = { text, done: 0, of: undefined, hits: [], error: null };
  tell({ ...search });
  try {
    const page = await data(api.GET("/api/v1/shells", { params: { query: { ...query, limit: MOST } }, signal }));
    search.of = page.items.length;
    for (const shell of page.items) {
      const params = { path: { id: shell.id }, query: { text } };
      const answer = api.GET("/api/v1/shells/{id}/search", { params, signal });
      // One whose recording has expired, or that is out of reach, is no reason to stop.
      const matches = await data(answer).catch(() => undefined);
      if (signal.aborted) return;
      search.done += 1;
      if (matches !== undefined && matches.matches.length > 0) search.hits = [...search.hits, { shell, matches }];
      tell({ ...search });
    }
  } catch (error) {
    if (!signal.aborted) tell({ ...search, error });
  }
}

function Found({ search, isRunning }: { search: Search; isRunning: boolean }) {
  const { hits, done, of } = search;
  return (
    <Stack gap="sm" mt="sm" component="section" aria-label="Found in recordings">
      <Failure error={search.error} />
      <Text size="sm" c="dimmed" role="status">
        {isRunning ? "Looking: " : ""}
        {count(hits.length, "shell has", "shells have")} it, of{" "}
        {of === undefined ? "…" : count(done, "that was read", "that were read")}
        {of === MOST ? `, the newest ${String(MOST)}` : ""}
      </Text>
      {isRunning ? (
        <Progress value={of === undefined ? 0 : (done / of) * 100} size="sm" aria-label="Recordings read" />
      ) : null}
      {hits.map(({ shell, matches: { matches, truncated } }) => (
        <Box key={shell.id}>
          <Title order={3} size="sm">
            <Anchor component={Link} to={`/shells/${shell.id}?view=recording`} inherit>
              <Name length={60}>{shell.endpoint_name}</Name>
            </Anchor>{" "}
            <Text span size="sm" c="dimmed" fw={400}>
              <Name length={60}>{shell.requester}</Name>, <Time at={shell.began_at} />
            </Text>
          </Title>
          {matches.slice(0, SHOWN).map((match, index) => (
            <Anchor
              key={index}
              component={Link}
              to={`/shells/${shell.id}?view=recording&at=${String(match.at)}`}
              className={classes.moment ?? ""}
              c="inherit"
            >
              <span className={classes.clock}>{clock(match.at)}</span>
              <span className={classes.typed}>
                {match.kind === "input" ? "› " : ""}
                <Name length={200}>{match.text}</Name>
              </span>
            </Anchor>
          ))}
          {matches.length > SHOWN ? (
            <Text size="xs" c="dimmed" pl={6}>
              and {truncated ? "at least " : ""}
              {matches.length - SHOWN} more
            </Text>
          ) : null}
        </Box>
      ))}
    </Stack>
  );
}
