/// Acting from anywhere: any screen says what is meant, one dialog does the rest.

import { createContext, lazy, Suspense, useCallback, useContext, useMemo, useState, type ReactNode } from "react";

/** What is known already when the dialog opens; the person can change all of it. */
export type Start = {
  action?: string;
  /** Ids of endpoints. */
  endpoints?: string[];
  params?: Record<string, unknown>;
  reason?: string;
};

const Opening = createContext<(start: Start) => void>(() => undefined);

/** `const act = useAct(); act({ action: "endpoint.isolate", endpoints: [id] })`. */
export function useAct(): (start: Start) => void {
  return useContext(Opening);
}

const ActDialog = lazy(() => import("./ActDialog"));

export function ActProvider({ children }: { children: ReactNode }) {
  const [start, setStart] = useState<{ start: Start; turn: number } | undefined>();
  const open = useCallback((next: Start) => {
    setStart((before) => ({ start: next, turn: (before?.turn ?? 0) + 1 }));
  }, []);
  const close = useCallback(() => {
    setStart(undefined);
  }, []);
  return (
    <Opening.Provider value={open}>
      {children}
      <Suspense>
        {useMemo(
          () => (start === undefined ? null : <ActDialog key={start.turn} start={start.start} close={close} />),
          [start, close],
        )}
      </Suspense>
    </Opening.Provider>
  );
}
