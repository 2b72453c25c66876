/// Lists of endpoints that the settings name: seen, searched, changed, imported and exported.

import { Button, Group, Tabs, Text, Title } from "@mantine/core";
import { IconDownload, IconUpload } from "@tabler/icons-react";
import { useState } from "react";

import type { Schemas } from "../../../api/client";
import { useFilters } from "../../../app/url";
import { Deed } from "../../../ui/Deed";
import { Import } from "./Import";
import { ListEditor } from "./ListEditor";
import { listAsCsv, saveAs, TEMPLATE } from "./csv";
import classes from "./Settings.module.css";
import { LISTS, useList, type ListName } from "./useList";

type Props = { lists: ListName[]; settings: Schemas["ApprovalSettings"]; why: string | undefined };

export function Lists({ lists, settings, why }: Props) {
  const [filters, set] = useFilters();
  const [first = "except"] = lists;
  const list = lists.find((each) => each === filters["list"]) ?? first;
  const size = (name: ListName): number => settings.lists.find((one) => one.list === name)?.endpoints ?? 0;
  return (
    <div className={classes.box}>
      {lists.length > 1 ? (
        <Tabs
          value={list}
          onChange={(next) => {
            set({ list: next === first ? undefined : (next ?? undefined) });
          }}
          mb="sm"
        >
          <Tabs.List>
            {lists.map((each) => (
              <Tabs.Tab key={each} value={each}>
                {LISTS[each].title} ({size(each)})
              </Tabs.Tab>
            ))}
          </Tabs.List>
        </Tabs>
      ) : (
        <Title order={2} size="h3" mb={4}>
          {LISTS[list].title} ({size(list)})
        </Title>
      )}
      <One key={list} list={list} why={why} />
    </div>
  );
}

function One({ list, why }: { list: ListName; why: string | undefined }) {
  const [isImporting, setImporting] = useState(false);
  const stored = useList(list);
  return (
    <>
      <Group justify="space-between" gap="xs" mb="sm" align="flex-start">
        <Text size="sm" c="dimmed" flex="1 1 260px">
          {LISTS[list].about} What counts is the endpoint that had the name when it was added, by its id. A list is
          changed at once, apart from the settings above.
        </Text>
        <Group gap="xs">
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconDownload size={14} aria-hidden />}
            disabled={stored.data === undefined}
            onClick={() => {
              saveAs(`quell-${list}.csv`, listAsCsv(stored.data?.data.endpoints ?? []));
            }}
          >
            Export
          </Button>
          <Button
            size="compact-sm"
            variant="default"
            onClick={() => {
              saveAs(`quell-${list}-template.csv`, TEMPLATE);
            }}
          >
            Template
          </Button>
          <Deed
            size="compact-sm"
            variant="default"
            why={why}
            leftSection={<IconUpload size={14} aria-hidden />}
            onClick={() => {
              setImporting(true);
            }}
          >
            Import…
          </Deed>
        </Group>
      </Group>
      <ListEditor list={list} stored={stored} why={why} />
      {isImporting ? (
        <Import
          list={list}
          seen={stored.data?.tag ?? "*"}
          close={() => {
            setImporting(false);
          }}
        />
      ) : null}
    </>
  );
}
