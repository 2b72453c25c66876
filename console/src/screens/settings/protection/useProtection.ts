/// What is protected, as the server keeps it, and a draft of something else.

import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { $api, api, type Schemas } from "../../../api/client";
import { useDraft } from "../../../api/draft";
import { refresh } from "../../../api/query";
import { tagged } from "../../../api/tagged";
import { changes, whole, type Rule, type Settings, type Titles } from "./settings";

export type Protection = Schemas["Protection"];

/** With its tag. What agents say of it comes with it, so it is read again while somebody looks. */
export function useProtection(may = true) {
  return useQuery({
    queryKey: ["get", "/api/v1/protection"],
    queryFn: ({ signal }) => tagged(api.GET("/api/v1/protection", { signal })),
    enabled: may,
    refetchInterval: 15_000,
  });
}

/** The rules of what holds. */
export function useRules() {
  return $api.useQuery("get", "/api/v1/protection/rules");
}

export function useTitles(rules: readonly Rule[] | undefined): Titles {
  return useMemo(() => {
    const known = new Map(rules?.map(({ id, title }) => [id, title]));
    return (id) => known.get(id) ?? id;
  }, [rules]);
}

export function useProtectionDraft() {
  const stored = useProtection();
  const rules = useRules();
  const titles = useTitles(rules.data?.items);
  const data = stored.data?.data;
  const settings = data?.settings;
  const now = useMemo(() => (settings === undefined ? undefined : whole(settings)), [settings]);
  const draft = useDraft<Settings>({
    now,
    tag: stored.data?.tag,
    put: (next, seen) => api.PUT("/api/v1/protection", { params: { header: { "If-Match": seen } }, body: next }),
    read: () => refresh("/api/v1/protection", "/api/v1/audit"),
  });
  const { value, base } = draft;
  const lines = useMemo(
    () => (base === undefined || value === undefined ? [] : changes(base, value, titles)),
    [base, value, titles],
  );
  return { ...draft, stored, protection: data, now, rules, titles, lines };
}
