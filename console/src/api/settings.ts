/// What a person chose for themselves: columns, saved views. Kept by the server, so that it is there wherever they sign in.

import { useCallback } from "react";

import { $api, api } from "./client";
import { queries } from "./query";

const PATH = "/api/v1/me/settings";
type Answer = { settings: Record<string, unknown> };

/** Milliseconds without a further change after which it is sent. */
const PAUSE = 800;
const waiting = new Map<string, number>();

function sameShape<T>(value: unknown, like: T): value is T {
  if (like === null) return true;
  return Array.isArray(like) ? Array.isArray(value) : typeof value === typeof like;
}

/** A setting by its name (`[a-z0-9._-]`), with what holds until one is chosen. */
export function useSetting<T>(name: string, initial: T): [T, (value: T) => void] {
  const { data } = $api.useQuery("get", PATH, undefined, { staleTime: Infinity });
  const kept = (data?.settings as Answer["settings"] | undefined)?.[name];
  const set = useCallback(
    (value: T) => {
      queries.setQueryData<Answer>(["get", PATH], (before) => ({ settings: { ...before?.settings, [name]: value } }));
      window.clearTimeout(waiting.get(name));
      const send = (): void => {
        // What cannot be kept is still chosen until the page is left; nobody has to stop for it.
        api.PUT(`${PATH}/{name}`, { params: { path: { name } }, body: value as never }).catch(() => undefined);
      };
      waiting.set(name, window.setTimeout(send, PAUSE));
    },
    [name],
  );
  return [sameShape(kept, initial) && kept !== undefined ? kept : initial, set];
}
