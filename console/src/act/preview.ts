/// What a request would do if it were sent now, as the server weighs it.

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useDebouncedValue } from "@mantine/hooks";
import { useMemo } from "react";

import { api } from "../api/client";
import type { NewTask } from "./draft";

export type PreviewTarget = {
  id: string;
  name: string;
  state: string;
  connected: boolean;
  isolated: boolean;
  os: string;
  tags: string[];
  logged_on?: string[];
  last_seen_at?: string | null;
  protected?: string | null;
  excepted: boolean;
  able: boolean;
  problem?: { code: string; message: string } | null;
};

export type Preview = {
  target_count: number;
  targets: PreviewTarget[];
  beyond_reach: number;
  refused?: {
    code: string;
    status: number;
    title: string;
    message: string;
    hint?: string | null;
    fields: { field: string; problem: string }[];
  } | null;
  confirm_count?: number | null;
  step_up: { needed: boolean; methods: string[] };
  approval: { how: string; quorum: number; roles: string[]; trace: string[] };
  state: string;
  way_back: { effect: string; undone_by?: string | null; revert_after: boolean };
  waits_for: { task: string; action: string; state: string; endpoint: string; endpoint_name: string }[];
};

/** Milliseconds of quiet before the server is asked. */
const QUIET = 250;
/** Agents come and go: asked again, even when nothing is typed. */
const AGAIN = 8000;

/** The preview of `body`; `isOld` while what is shown belongs to what was typed before. */
export function usePreview(body: NewTask | undefined) {
  // Compared as text: a new object of the same request asks nothing.
  const now = body === undefined ? "" : JSON.stringify(body);
  const [text] = useDebouncedValue(now, QUIET, { leading: true });
  const answer = useQuery({
    queryKey: ["post", "/api/v1/tasks/preview", text],
    queryFn: async ({ signal }) => {
      const sent = await api.POST(
        "/api/v1/tasks/preview" as never,
        { body: JSON.parse(text) as never, signal } as never,
      );
      return (sent as { data: Preview }).data;
    },
    enabled: text !== "",
    placeholderData: keepPreviousData,
    staleTime: 0,
    gcTime: 0,
    refetchInterval: AGAIN,
  });
  const isOld = text !== now || answer.isPlaceholderData;
  return useMemo(
    () => ({
      preview: text === "" || answer.isError ? undefined : answer.data,
      error: isOld ? null : answer.error,
      isOld,
      isAsking: text !== "" && (answer.isFetching || isOld),
    }),
    [text, answer.isError, answer.data, answer.error, answer.isFetching, isOld],
  );
}
