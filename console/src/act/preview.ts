/// What a request would do if it were sent now, as the server weighs it.

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useDebouncedValue } from "@mantine/hooks";
import { useMemo } from "react";

import { api, data, type Schemas } from "../api/client";
import type { NewTask } from "./draft";

export type Preview = Schemas["TaskPreview"];
export type PreviewTarget = Schemas["PreviewTarget"];

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
    queryFn: ({ signal }) => data(api.POST("/api/v1/tasks/preview", { body: JSON.parse(text) as NewTask, signal })),
    enabled: text !== "",
    placeholderData: keepPreviousData,
    staleTime: 0,
    gcTime: 0,
    refetchInterval: AGAIN,
  });
  const isOld = text !== now || answer.isPlaceholderData;
  const { refetch } = answer;
  return useMemo(
    () => ({
      preview: text === "" || answer.isError ? undefined : answer.data,
      error: isOld ? null : answer.error,
      isOld,
      again: () => void refetch(),
      isAsking: text !== "" && (answer.isFetching || isOld),
    }),
    [text, answer.isError, answer.data, answer.error, answer.isFetching, refetch, isOld],
  );
}
