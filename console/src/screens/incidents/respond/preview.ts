/// What a response would do if it were asked for now, as the server weighs it.

import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";

import type { Preview } from "../../../act/preview";
import { api, data } from "../../../api/client";
import type { Body } from "./offers";

/** Milliseconds of quiet before the server is asked. */
const QUIET = 250;
/** Agents come and go: asked again, even when nothing is typed. */
const AGAIN = 8000;

/** The preview of `body`; `isOld` while what is shown belongs to what was chosen before. */
export function useResponsePreview(incident: string, body: Body | undefined) {
  const now = body === undefined ? "" : JSON.stringify(body);
  const [text] = useDebouncedValue(now, QUIET, { leading: true });
  const answer = useQuery<Preview>({
    queryKey: ["post", "/api/v1/incidents/{id}/respond/preview", incident, text],
    queryFn: ({ signal }) =>
      data(
        api.POST("/api/v1/incidents/{id}/respond/preview", {
          params: { path: { id: incident } },
          body: JSON.parse(text) as Body,
          signal,
        }),
      ),
    enabled: text !== "",
    placeholderData: keepPreviousData,
    staleTime: 0,
    gcTime: 0,
    refetchInterval: AGAIN,
  });
  const isOld = text !== now || answer.isPlaceholderData;
  return {
    preview: text === "" || answer.isError ? undefined : answer.data,
    error: isOld ? null : answer.error,
    isOld,
    isAsking: text !== "" && (answer.isFetching || isOld),
    again: () => void answer.refetch(),
  };
}
