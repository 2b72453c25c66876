/// Kinds of notices, as the server lists them.

import { MultiSelect } from "@mantine/core";
import { useMemo } from "react";

import { $api, type Schemas } from "../../../api/client";
import { words } from "../../../ui/text";

export type NoticeKind = Schemas["NoticeKind"];
const NONE: NoticeKind[] = [];

/** All kinds; `test` is nothing that somebody chooses. */
export function useNoticeKinds(): NoticeKind[] {
  const kinds = $api.useQuery("get", "/api/v1/notices/kinds", undefined, { staleTime: Infinity });
  const items = kinds.data?.items ?? NONE;
  return useMemo(() => items.filter((kind) => kind.name !== "test"), [items]);
}

/** With a capital letter. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

type Props = { value: string[]; change: (kinds: string[]) => void; error?: string | undefined; description: string };

export function KindPick({ value, change, error, description }: Props) {
  const kinds = useNoticeKinds();
  return (
    <MultiSelect
      label="Kinds"
      description={description}
      placeholder={value.length === 0 ? "All kinds" : ""}
      clearable
      searchable
      data={kinds.map((kind) => ({ value: kind.name, label: `${sentence(words(kind.name))}: ${kind.about}` }))}
      value={value}
      error={error}
      onChange={change}
    />
  );
}
