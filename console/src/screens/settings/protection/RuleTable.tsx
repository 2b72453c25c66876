/// Every rule of what holds, searched and filtered here; chosen ones are disabled, and put in force again.

import { Title } from "@mantine/core";
import { IconListSearch } from "@tabler/icons-react";
import { useMemo, useState } from "react";

import type { Pages } from "../../../api/pages";
import { oneOf, sift, someOf } from "../../../app/rules";
import { useFilters, type Search } from "../../../app/url";
import { DataTable, type Column } from "../../../ui/DataTable";
import { Deed } from "../../../ui/Deed";
import { Empty } from "../../../ui/Empty";
import { Filters, type Choice } from "../../../ui/Filters";
import { Name } from "../../../ui/Name";
import { Odd } from "../../../ui/Odd";
import { count } from "../../../ui/text";
import { Severity } from "../../incidents/Severity";
import { Techniques } from "../../incidents/Techniques";
import { SEVERITIES, sourceWords } from "../../incidents/words";
import { enabled, modeWords, type Rule, type Settings } from "./settings";
import type { useRules } from "./useProtection";

/** A rule, and whether it would be in force as the settings are being changed. */
type Row = Rule & { isOn: boolean };

const SOURCES = ["behaviour", "yara"];
const DONE = ["detect", "prevent", "off", "disabled"];

const CHOICES: Choice[] = [
  {
    name: "severity",
    label: "Severity",
    isMany: true,
    options: SEVERITIES.map((value) => ({ value, label: value })),
    width: 150,
  },
  {
    name: "source",
    label: "Source",
    options: SOURCES.map((value) => ({ value, label: sourceWords(value) })),
    width: 160,
  },
  {
    name: "done",
    label: "What is done",
    options: DONE.map((value) => ({ value, label: modeWords(value) })),
    width: 150,
  },
];

const KNOWN = { severity: someOf(SEVERITIES), source: oneOf(SOURCES), done: oneOf(DONE) };

function doneOf(row: Row): string {
  return row.enabled ? row.mode : "disabled";
}

/** What is done about its hits; where that is about to change, so. */
function Done({ row }: { row: Row }) {
  if (row.isOn === row.enabled) return modeWords(doneOf(row));
  return row.isOn ? "in force, once saved" : "disabled, once saved";
}

const columns: Column<Row>[] = [
  {
    id: "title",
    title: "Rule",
    width: "minmax(200px, 2.4fr)",
    isNarrow: true,
    cell: (row) => <Name length={120}>{row.title}</Name>,
  },
  { id: "severity", title: "Severity", width: "130px", cell: (row) => <Severity severity={row.severity} /> },
  { id: "done", title: "Hits are", width: "150px", isNarrow: true, cell: (row) => <Done row={row} /> },
  { id: "source", title: "Source", width: "120px", cell: (row) => sourceWords(row.source) },
  {
    id: "techniques",
    title: "Technique",
    width: "150px",
    cell: (row) => <Techniques ids={row.techniques} most={1} isLine />,
  },
  { id: "from", title: "From", width: "minmax(90px, 0.8fr)", cell: (row) => <Name length={60}>{row.from}</Name> },
  { id: "exclusions", title: "Exclusions", width: "96px", isExtra: true, cell: (row) => row.exclusions || "–" },
  {
    id: "id",
    title: "Id",
    width: "310px",
    isExtra: true,
    cell: (row) => (
      <Name mono length={80}>
        {row.id}
      </Name>
    ),
  },
];

const keyOf = (row: Row): string => `${row.source} ${row.from} ${row.id}`;
const nameOf = (row: Row): string => `the rule ${row.title}`;

function fits(row: Row, { text, severity, source, done }: Search): boolean {
  const wanted = text?.trim().toLowerCase() ?? "";
  return (
    (severity === undefined || severity.split(",").includes(row.severity)) &&
    (source === undefined || row.source === source) &&
    (done === undefined || doneOf(row) === done) &&
    (wanted === "" ||
      [row.title, row.id, row.from, ...row.techniques].some((part) => part.toLowerCase().includes(wanted)))
  );
}

type Props = {
  settings: Settings;
  change: (settings: Settings) => void;
  why: string | undefined;
  rules: ReturnType<typeof useRules>;
};

export function RuleTable({ settings, change, why, rules }: Props) {
  const [search] = useFilters();
  const [understood, odd] = sift(search, KNOWN);
  const [chosen, choose] = useState<ReadonlySet<string>>(new Set());
  const { data, error, isPending, isFetching, refetch } = rules;
  const all = useMemo(() => {
    const disabled = new Set(settings.behaviour.disabled);
    return (data?.items ?? []).map((rule): Row => ({
      ...rule,
      isOn: rule.source !== "behaviour" || !disabled.has(rule.id),
    }));
  }, [data, settings.behaviour.disabled]);
  const { text, severity, source, done } = understood;
  const rows = useMemo(
    () => all.filter((row) => fits(row, { text, severity, source, done })),
    [all, text, severity, source, done],
  );
  const pages: Pages<Row> = {
    rows,
    total: rows.length,
    error,
    isFirst: isPending,
    isMore: false,
    isFetching,
    more: () => undefined,
    again: () => void refetch(),
  };
  const picked = all.filter((row) => chosen.has(keyOf(row)));
  const behaviour = picked.filter((row) => row.source === "behaviour");
  const turn = (isOn: boolean) => {
    const turned = behaviour.filter((row) => row.isOn !== isOn);
    return {
      number: turned.length,
      why:
        why ??
        (behaviour.length === 0
          ? "YARA rules are taken or left by the set."
          : turned.length === 0
            ? "What is selected is so already."
            : undefined),
      act: (): void => {
        change(
          enabled(
            settings,
            turned.map(({ id }) => id),
            isOn,
          ),
        );
        choose(new Set());
      },
    };
  };
  const [off, on] = [turn(false), turn(true)];
  return (
    <section aria-label="Rules">
      <Title order={2} mb={6}>
        Rules
      </Title>
      <Filters search="text" choices={CHOICES} />
      <Odd words={odd} />
      <DataTable
        label="Protection rules"
        columns={columns}
        pages={pages}
        id={keyOf}
        name={nameOf}
        selection={{ ids: chosen, change: choose }}
        of={JSON.stringify([text, severity, source, done])}
        tools={
          picked.length === 0 ? null : (
            <>
              <Deed size="compact-sm" variant="default" why={off.why} onClick={off.act}>
                Disable {off.number}
              </Deed>
              <Deed size="compact-sm" variant="default" why={on.why} onClick={on.act}>
                Put {on.number} in force
              </Deed>
            </>
          )
        }
        empty={
          <Empty icon={IconListSearch} title={all.length === 0 ? "No rule is in force" : "No rule is like that"}>
            {all.length === 0
              ? "Put those that come with Quell in force, or add a set of the library."
              : `None of ${count(all.length, "rule")} matches these filters.`}
          </Empty>
        }
      />
    </section>
  );
}
