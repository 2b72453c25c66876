/// What a person chose for themselves: columns, saved views. Kept by the server, so that it is there wherever they sign in.

import { useCallback } from "react";

import { tell } from "../ui/tell";
import { $api, api, data as answered } from "./client";
import { queries } from "./query";

const PATH = "/api/v1/me/settings";
const KEY = ["get", PATH];
type Answer = { settings: Record<string, unknown> };

/** Milliseconds without a further change after which it is sent. */
const PAUSE = 800;
const waiting = new Map<string, number>();

function sameShape<T>(value: unknown, like: T): value is T {
  if (like === null) return true;
  return Array.isArray(like) ? Array.isArray(value) : typeof value === typeof like;
}

function chosen<T>(answer: Answer | undefined, name: string, initial: T): T {
  const kept = answer?.settings[name];
  return kept !== undefined && sameShape(kept, initial) ? kept : initial;
}

/** Whether a choice could not be kept; told once, not at each further one. */
let isTold = false;

async function save(name: string): Promise<void> {
  const value = queries.getQueryData<Answer>(KEY)?.settings[name];
  try {
    await api.PUT(`${PATH}/{name}`, { params: { path: { name } }, body: value as never });
    isTold = false;
  } catch (error) {
    // What cannot be kept is still chosen until the page is left.
    if (!isTold) tell(error);
    isTold = true;
  }
}

/**
 * A setting by its name (`[a-z0-9._-]`), with what holds until one is chosen. It is set to a value, or by what makes one of
 * what was there; before that was read, either waits for it.
 */
export function useSetting<T>(name: string, initial: T): [T, (value: T | ((before: T) => T)) => void] {
  const { data } = $api.useQuery("get", PATH, undefined, { staleTime: Infinity });
  const set = useCallback(
    async (value: T | ((before: T) => T)): Promise<void> => {
      if (queries.getQueryData(KEY) === undefined) {
        await queries.fetchQuery({ queryKey: KEY, queryFn: () => answered(api.GET(PATH)), staleTime: Infinity });
      }
      queries.setQueryData<Answer>(KEY, (before) => {
        const next = typeof value === "function" ? (value as (before: T) => T)(chosen(before, name, initial)) : value;
        return { settings: { ...before?.settings, [name]: next } };
      });
      window.clearTimeout(waiting.get(name));
      waiting.set(
        name,
        window.setTimeout(() => void save(name), PAUSE),
      );
    },
    // A list that is written anew at each drawing is the same.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [name],
  );
  const send = useCallback(
    (value: T | ((before: T) => T)): void => {
      set(value).catch(tell);
    },
    [set],
  );
  return [chosen(data as Answer | undefined, name, initial), send];
}
