/// What the palette offers for what was typed: deeds first, then things, then places.

import { useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import {
  IconBolt,
  IconBug,
  IconDeviceDesktop,
  IconFileCode,
  IconKeyboard,
  IconListCheck,
  IconLogout,
  IconMoon,
  IconSun,
  type Icon,
} from "@tabler/icons-react";
import { keepPreviousData, useQueries } from "@tanstack/react-query";
import { useMemo } from "react";

import { deedOf, type Action } from "../act/draft";
import { useEndpointSearch, type Known } from "../act/known";
import { useAct, type Start } from "../act/start";
import { $api } from "../api/client";
import { holds, lacking, useMe, whyNot, type Me } from "../api/me";
import { fieldsOf, type Field } from "../form/fields";
import type { Schema } from "../form/schema";
import { clip, count, inert, words } from "../ui/text";
import { leave } from "./session";
import { meanings, settled, type Meaning } from "./palette-meaning";
import { screens } from "./screens";

export type Item = {
  id: string;
  label: string;
  about?: string | undefined;
  icon: Icon;
  /** Why it cannot be chosen. */
  why?: string | undefined;
  /** Found for other words than stand in the field: shown, but nothing is done with it. */
  isOld?: boolean;
  /** Names that the label speaks of, each set apart. */
  names?: string[];
  to?: string;
  run?: () => void;
};
export type Section = { title: string; items: Item[] };

const QUIET = 140;
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function useItems(typed: string, help: () => void): { sections: Section[]; isBusy: boolean } {
  const me = useMe();
  const [text] = useDebouncedValue(typed.trim(), QUIET);
  const deeds = useDeeds(text, me);
  const tasks = useTasks(text, me);
  const incidents = useIncidents(text, me);
  const scripts = useScripts(text, me);
  const places = usePlaces(typed.trim(), me);
  const commands = useCommands(typed.trim(), help);
  const isBehind = text !== typed.trim();
  const found = (items: Item[], isOld = false): Item[] =>
    isBehind || isOld ? items.map((item) => ({ ...item, isOld: true })) : items;
  return {
    sections: [
      { title: "Do", items: found(deeds.items, deeds.isOld) },
      { title: "Endpoints", items: found(deeds.endpoints, deeds.isOld) },
      { title: "Incidents", items: found(incidents.items, incidents.isOld) },
      { title: "Tasks", items: found(tasks.items, tasks.isOld) },
      { title: "Scripts", items: found(scripts) },
      { title: "Go to", items: places },
      { title: "Also", items: commands },
    ],
    isBusy: isBehind || deeds.isBusy || tasks.isBusy || incidents.isBusy,
  };
}

function has(typed: string, ...said: string[]): boolean {
  const all = said.join(" ").toLowerCase();
  return typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

function one(text: string, length = 60): string {
  return clip(inert(text), length);
}

/** The likeliest meanings, with what their actions ask for. */
function useMeanings(text: string) {
  const actions = $api.useQuery("get", "/api/v1/actions", undefined, { staleTime: Infinity });
  const all = useMemo(() => actions.data ?? [], [actions.data]);
  const meant = useMemo(() => meanings(text, all).slice(0, 3), [text, all]);
  const forms = useQueries({
    queries: meant.map(({ action }) =>
      $api.queryOptions("get", "/api/v1/actions/{id}", { params: { path: { id: action } } }, { staleTime: Infinity }),
    ),
    combine: (answers) => answers.map(({ data }) => (data ? fieldsOf(data.params_schema as Schema) : undefined)),
  });
  return meant.flatMap((meaning, index) => {
    const action = all.find(({ id }) => id === meaning.action);
    const fields = forms[index];
    return action === undefined || fields === undefined ? [] : [understood(meaning, action, fields)];
  });
}

function understood(meaning: Meaning, action: Action, fields: Field[]) {
  return { action, ...settled(meaning, fields) };
}

function useDeeds(text: string, me: Me) {
  const act = useAct();
  const meant = useMeanings(text);
  const [best] = meant;
  // One search a time: for what is acted on, or for what was typed when that is no deed.
  const sought = best === undefined ? text : best.targets.length === 1 ? (best.targets[0] ?? "") : "";
  const may = holds(me, "endpoint.read");
  const search = useEndpointSearch(sought, may && sought !== "", 6);
  const found = sought === "" ? [] : search.rows;

  const items = meant.flatMap((each): Item[] => {
    const said = Object.values(each.params).map(String).join(" ");
    const why = whyNot(me, "task.submit", each.action.id);
    const item = (label: string, about: string, start: Start): Item => ({
      id: `do ${each.action.id} ${label}`,
      label,
      about: [said === "" ? undefined : one(said, 48), about].filter(Boolean).join(" · "),
      icon: IconBolt,
      why,
      run: () => {
        act({ action: each.action.id, params: each.params, ...start });
      },
    });
    if (each.targets.length > 1) {
      const label = `${each.action.title} on ${count(each.targets.length, String(each.action.target))}:`;
      return [{ ...item(label, "", { endpoints: each.targets }), names: each.targets }];
    }
    const hits = each.targets.length === 1 && each.targets[0] === sought ? found : [];
    const isSought = each.targets.length === 1 && each.targets[0] === sought;
    const nothing = isSought && !search.isFetching ? `no endpoint has “${one(sought, 24)}”` : "";
    if (hits.length === 0) return [item(`${each.action.title}…`, nothing, {})];
    return hits.map((row) => item(deedOf(each.action, [row.name], 1), about(row), { endpoints: [row.id] }));
  });
  const endpoints = best !== undefined ? [] : found.flatMap((row) => endpointItems(row, me, act));
  // Not answered yet, or answered for other words.
  const isOld = may && sought !== "" && (search.isOld || search.isPending);
  return { items: items.slice(0, 8), endpoints, isOld, isBusy: sought !== "" && search.isFetching };
}

function about(row: Known): string {
  return [row.connected ? "connected" : "offline", ...(row.isolated ? ["isolated"] : [])].join(" · ");
}

function endpointItems(row: Known, me: Me, act: (start: Start) => void): Item[] {
  const name = one(row.name);
  return [
    { id: `endpoint ${row.id}`, label: name, about: about(row), icon: IconDeviceDesktop, to: `/endpoints/${row.id}` },
    {
      id: `act ${row.id}`,
      label: `Act on ${name}…`,
      icon: IconBolt,
      why: whyNot(me, "task.submit"),
      run: () => {
        act({ endpoints: [row.id] });
      },
    },
  ];
}

function useTasks(text: string, me: Me) {
  const may = holds(me, "task.read");
  const isId = ID.test(text);
  const task = $api.useQuery(
    "get",
    "/api/v1/tasks/{id}",
    { params: { path: { id: text } } },
    { enabled: may && isId, retry: false },
  );
  const isText = !isId && text.length >= 3;
  const list = $api.useQuery(
    "get",
    "/api/v1/tasks",
    { params: { query: { text, limit: 4 } } },
    { enabled: may && isText, placeholderData: keepPreviousData },
  );
  const rows = isId ? (task.data ? [task.data] : []) : isText ? (list.data?.items ?? []) : [];
  return {
    items: rows.map((row): Item => {
      const about = `${words(row.state)} · ${one(row.requester.name, 24)}`;
      return {
        id: `task ${row.id}`,
        label: `${inert(row.title)}: ${one(row.reason)}`,
        about,
        icon: IconListCheck,
        to: `/tasks/${row.id}`,
      };
    }),
    isOld: isText && list.isPlaceholderData,
    isBusy: (isId && task.isFetching) || (isText && list.isFetching),
  };
}

/** By what people call them, `#17`, or by what is known of them. */
function useIncidents(text: string, me: Me) {
  const number = /^(?:incident\s+)?#?(\d{1,9})$/i.exec(text)?.[1];
  const isText = number === undefined && text.length >= 3 && !ID.test(text);
  const list = $api.useQuery(
    "get",
    "/api/v1/incidents",
    { params: { query: { text, limit: 4 } } },
    { enabled: isText && holds(me, "incident.read"), placeholderData: keepPreviousData },
  );
  const rows = isText ? (list.data?.items ?? []) : [];
  const named: Item[] =
    number === undefined || !holds(me, "incident.read")
      ? []
      : [{ id: `incident ${number}`, label: `Incident #${number}`, icon: IconBug, to: `/incidents/${number}` }];
  return {
    items: [
      ...named,
      ...rows.map((row): Item => ({
        id: `incident ${row.id}`,
        label: `#${String(row.number)} ${one(row.title)}`,
        about: `${words(row.severity)} · ${words(row.state)}`,
        icon: IconBug,
        to: `/incidents/${String(row.number)}`,
      })),
    ],
    isOld: isText && list.isPlaceholderData,
    isBusy: isText && list.isFetching,
  };
}

function useScripts(text: string, me: Me): Item[] {
  const isWanted = text.length >= 2 && holds(me, "library.read");
  const query = { params: { path: { kind: "script" }, query: { limit: 500 } } };
  const answer = $api.useQuery("get", "/api/v1/library/{kind}", query, { enabled: isWanted, staleTime: 60_000 });
  if (!isWanted) return [];
  return (answer.data?.items ?? [])
    .filter((script) => has(text, script.name, script.description, "script"))
    .slice(0, 5)
    .map((script) => ({
      id: `script ${script.name}`,
      label: one(script.name),
      about: one(script.description, 80),
      icon: IconFileCode,
      to: `/library/script/${encodeURIComponent(script.name)}`,
    }));
}

function usePlaces(typed: string, me: Me): Item[] {
  return screens.flatMap((screen): Item[] => {
    if (screen.isPublic || screen.path.includes("$") || !has(typed, screen.title, screen.nav?.group ?? "")) return [];
    const lack = lacking(me, screen.needs);
    // What is closed is named to who looks for it, and is in nobody's way else.
    if (lack !== undefined && typed === "") return [];
    const why = lack === undefined ? undefined : `This needs the permission “${lack}”.`;
    const about = screen.nav?.key === undefined ? undefined : `g ${screen.nav.key}`;
    const icon = screen.nav?.icon ?? IconListCheck;
    return [{ id: `screen ${screen.path}`, label: screen.title, about, icon, why, to: screen.path }];
  });
}

function useCommands(typed: string, help: () => void): Item[] {
  const act = useAct();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("dark");
  const next = scheme === "dark" ? "light" : "dark";
  const all: (Item & { keywords: string })[] = [
    {
      id: "act",
      label: "Act…",
      about: "a",
      icon: IconBolt,
      keywords: "do action task",
      run: () => {
        act({});
      },
    },
    {
      id: "theme",
      label: `Change to ${next} colours`,
      icon: next === "dark" ? IconMoon : IconSun,
      keywords: "theme colors dark light",
      run: () => {
        setColorScheme(next);
      },
    },
    { id: "keys", label: "Keys", about: "?", icon: IconKeyboard, keywords: "keyboard shortcuts help", run: help },
    {
      id: "leave",
      label: "Sign out",
      icon: IconLogout,
      keywords: "log out logout leave",
      run: () => {
        void leave();
      },
    },
  ];
  return all.filter((item) => has(typed, item.label, item.keywords));
}
