/// Settings that are changed as a whole: a draft on what was read, saved only where that still stands, and the way back.

import { useState } from "react";

type Kept<T> = {
  /** What holds, and its tag; nothing until it is read. */
  now: T | undefined;
  tag: string | undefined;
  /** Puts other settings in place of those that bore the tag; the server refuses where they do not stand there any more. */
  put: (next: T, seen: string) => Promise<unknown>;
  /** Reads what holds again. */
  read: () => Promise<void>;
};

export function useDraft<T>({ now, tag, put, read }: Kept<T>) {
  const [draft, setDraft] = useState<{ base: T; tag: string; value: T } | undefined>();
  const [former, setFormer] = useState<T | undefined>();
  const send = async (next: T, seen: string, back: T | undefined): Promise<void> => {
    try {
      await put(next, seen);
    } catch (failure) {
      await read();
      throw failure;
    }
    setFormer(back);
    setDraft(undefined);
    await read();
  };
  return {
    /** As it would be saved; what holds where nothing was changed. */
    value: draft?.value ?? now,
    /** What the draft was begun on; nothing where there is none. */
    base: draft?.base,
    /** Whether somebody else saved since the draft was begun. */
    isStale: draft !== undefined && tag !== undefined && draft.tag !== tag,
    /** What was saved over last. */
    former,
    change: (next: T): void => {
      if (now === undefined || tag === undefined) return;
      setDraft({ base: draft?.base ?? now, tag: draft?.tag ?? tag, value: next });
    },
    discard: (): void => {
      setDraft(undefined);
    },
    save: async (): Promise<void> => {
      if (draft !== undefined) await send(draft.value, draft.tag, draft.base);
    },
    putBack: async (): Promise<void> => {
      if (former !== undefined && tag !== undefined) await send(former, tag, undefined);
    },
  };
}
