/// Beside a recording: a search in it, and what was typed and who was there; each leads to its moment.

import { Paper, SegmentedControl, Text, Title, UnstyledButton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import { api, data } from "../../api/client";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { SearchInput } from "../../ui/SearchInput";
import { clock, momentsOf, type Cast } from "./cast";
import type { Shell } from "./Live";
import classes from "./Shells.module.css";

type Props = { shell: Shell; cast: Cast; at: number; go: (at: number) => void };
type Line = { at: number; kind: string; text: string };

/** Milliseconds without a letter after which it is searched: each search is recorded. */
const PAUSE = 600;

export function Moments({ shell, cast, at, go }: Props) {
  const [text, setText] = useState("");
  const [typed] = useDebouncedValue(text.trim(), PAUSE);
  const wanted = text.trim() === "" ? "" : typed;
  const [kind, setKind] = useState("all");
  const moments = useMemo(() => momentsOf(cast.events), [cast]);
  const found = useQuery({
    queryKey: ["recording", shell.id, shell.state, "search", wanted],
    queryFn: () =>
      data(api.GET("/api/v1/shells/{id}/search", { params: { path: { id: shell.id }, query: { text: wanted } } })),
    enabled: wanted !== "",
    staleTime: Infinity,
    retry: false,
  });
  const hits = wanted === "" ? undefined : found.data?.matches;
  const shown: Line[] = hits ?? moments.filter((moment) => kind === "all" || moment.kind === kind);
  return (
    <Paper withBorder p="md" component="section" aria-label="In this recording">
      <Title order={2} mb="xs">
        In this recording
      </Title>
      <SearchInput
        mb="xs"
        isMain
        label="Search the recording"
        placeholder="What was shown or typed"
        value={text}
        change={setText}
      />
      {wanted === "" ? (
        <SegmentedControl
          fullWidth
          size="xs"
          mb="xs"
          aria-label="Show"
          value={kind}
          onChange={setKind}
          data={[
            { value: "all", label: "All" },
            { value: "typed", label: "Typed" },
            { value: "mark", label: "People and verbs" },
          ]}
        />
      ) : null}
      <Failure error={found.error} />
      <Text size="xs" c="dimmed" role="status" mb={4}>
        {sayCount(wanted, found.isFetching, hits, found.data?.truncated ?? false)}
      </Text>
      {shown.length === 0 && wanted === "" ? (
        <Text size="sm" c="dimmed">
          Nothing was typed.
        </Text>
      ) : (
        <ul className={classes.moments} aria-label={hits === undefined ? "Moments" : "Found"}>
          {shown.map((line, index) => (
            <li key={index}>
              <UnstyledButton
                className={classes.moment ?? ""}
                data-is-now={line.at <= at && at < (shown[index + 1]?.at ?? Infinity)}
                onClick={() => {
                  go(line.at);
                }}
              >
                <span className={classes.clock}>{clock(line.at)}</span>
                <span className={line.kind === "mark" ? undefined : classes.typed}>
                  {line.kind === "typed" || line.kind === "input" ? "› " : ""}
                  <Name length={200}>{line.text}</Name>
                </span>
              </UnstyledButton>
            </li>
          ))}
        </ul>
      )}
    </Paper>
  );
}

function sayCount(wanted: string, isFetching: boolean, hits: unknown[] | undefined, isMore: boolean): string {
  if (wanted === "") return "";
  if (isFetching) return "Searching…";
  if (hits === undefined) return "";
  if (hits.length === 0) return "Nothing is like that in what was shown or typed.";
  return `${String(hits.length)}${isMore ? "+" : ""} found, from the beginning`;
}
