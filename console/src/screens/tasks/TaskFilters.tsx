/// By what tasks are filtered. Everything stands in the address.

import { Select, TextInput } from "@mantine/core";
import { useState } from "react";

import { useMe } from "../../api/me";
import { useFilters } from "../../app/url";
import { Filters, type Choice } from "../../ui/Filters";
import { words } from "../../ui/text";
import { useActions } from "./catalogue";
import { EndpointBox } from "./EndpointBox";
import { fromField, moment, PRESETS, toField } from "./since";

export const STATES = [
  "pending_approval",
  "queued",
  "running",
  "succeeded",
  "failed",
  "refused",
  "rejected",
  "canceled",
  "expired",
  "indeterminate",
];

export const FROM = ["console", "cli", "api", "timer"];

export function TaskFilters() {
  const me = useMe();
  const actions = useActions();
  const choices: Choice[] = [
    {
      name: "state",
      label: "Status",
      isMany: true,
      options: [
        { value: "open", label: "any that is open" },
        { value: "ended", label: "any that has ended" },
        ...STATES.map((state) => ({ value: state, label: words(state) })),
      ],
    },
    {
      name: "action",
      label: "Action",
      isMany: true,
      options: actions.map((action) => ({ value: action.id, label: action.title })),
    },
    { name: "requester", label: "Created by", options: [{ value: me.id, label: "Me" }] },
    {
      name: "from",
      label: "Created from",
      options: FROM.map((from) => ({ value: from, label: from === "cli" ? "command line" : from })),
    },
  ];
  return (
    <Filters search="text" choices={choices} views="tasks" own={["endpoint", "since", "until"]}>
      <EndpointBox />
      <SinceBox />
    </Filters>
  );
}

function SinceBox() {
  const [filters, set] = useFilters();
  const since = filters["since"];
  const isCustom =
    filters["until"] !== undefined || (since !== undefined && !PRESETS.some(({ value }) => value === since));
  const [isOpen, setOpen] = useState(isCustom);
  const put = (name: "since" | "until", value: string): void => {
    set({ [name]: fromField(value) });
  };
  return (
    <>
      <Select
        aria-label="Time"
        placeholder="Any time"
        clearable
        data={[...PRESETS, { value: "custom", label: "From … until …" }]}
        value={isCustom || isOpen ? "custom" : (since ?? null)}
        onChange={(value) => {
          setOpen(value === "custom");
          if (value !== "custom") set({ since: value ?? undefined, until: undefined });
        }}
        w={180}
      />
      {isOpen || isCustom ? (
        <>
          <TextInput
            type="datetime-local"
            aria-label="Created at or after"
            value={toField(moment(since, Date.now()))}
            onChange={(event) => {
              put("since", event.currentTarget.value);
            }}
          />
          <TextInput
            type="datetime-local"
            aria-label="Created before"
            value={toField(moment(filters["until"], Date.now()))}
            onChange={(event) => {
              put("until", event.currentTarget.value);
            }}
          />
        </>
      ) : null}
    </>
  );
}
