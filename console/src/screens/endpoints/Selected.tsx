/// The bar that comes with a selection: how many and which, and what can be done to them.

import { ActionIcon, Box, Button, Group, Menu, Paper, Text, Tooltip } from "@mantine/core";
import { IconBolt, IconDownload, IconTag, IconX } from "@tabler/icons-react";
import { lazy, Suspense, useState } from "react";

import { effectWords } from "../../act/effect";
import { useAct } from "../../act/start";
import { Deed } from "../../ui/Deed";
import { Name } from "../../ui/Name";
import { useChosen } from "../../ui/table/chosen";
import { count } from "../../ui/text";
import { useOffers, useWhyNot } from "./actions";
import { csv, save } from "./csv";
import type { Row } from "./row";
import classes from "./cells.module.css";

const TagDialog = lazy(() => import("./TagDialog"));

const rowId = (row: Row): string => row.id;

/** Names that the bar shows. */
const NAMED = 3;

const COLUMNS = [
  "id",
  "name",
  "state",
  "connected",
  "isolated",
  "alarm",
  "os",
  "system",
  "addresses",
  "logged_on",
  "tags",
  "agent_version",
  "last_seen_at",
] as const;

type Props = { ids: ReadonlySet<string>; select: (ids: ReadonlySet<string>) => void; rows: Row[]; changed: () => void };

export function Selected({ ids, select, rows, changed }: Props) {
  const act = useAct();
  const offers = useOffers();
  const [isTagging, setTagging] = useState(false);
  const whyTag = useWhyNot("endpoint.tag");
  const chosen = useChosen(ids, rows, rowId);
  if (ids.size === 0) return null;
  const names = [...chosen.values()].slice(0, NAMED);
  const rest = ids.size - names.length;
  const targets = [...ids];
  return (
    <Paper className={classes.bar} shadow="lg" withBorder p="xs" role="region" aria-label="Selected endpoints">
      <Group gap="sm" justify="space-between">
        <Text size="sm" component="div" miw={0} flex="1 1 200px">
          <b>{count(ids.size, "endpoint")}</b>:{" "}
          {names.map((row, index) => (
            <span key={row.id}>
              {index > 0 ? ", " : ""}
              <Name length={32}>{row.name}</Name>
            </span>
          ))}
          {rest > 0 ? ` and ${rest.toLocaleString("en")} more` : ""}
        </Text>
        <Group gap="xs">
          <Menu position="top-end" width={300}>
            <Menu.Target>
              <Button size="sm" leftSection={<IconBolt size={16} aria-hidden />}>
                Act on {ids.size === 1 ? "it" : "them"}
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              {offers.map(({ action, why }) => (
                <Menu.Item
                  key={action.id}
                  disabled={why !== undefined}
                  onClick={() => {
                    act({ action: action.id, endpoints: targets });
                  }}
                >
                  {action.title}
                  <Text size="xs" c="dimmed">
                    {why ?? `${effectWords(action.effect)} · ${String(action.risk)} risk`}
                  </Text>
                </Menu.Item>
              ))}
            </Menu.Dropdown>
          </Menu>
          <Deed
            why={whyTag}
            variant="default"
            leftSection={<IconTag size={16} aria-hidden />}
            onClick={() => {
              setTagging(true);
            }}
          >
            Tags
          </Deed>
          <Button
            variant="default"
            leftSection={<IconDownload size={16} aria-hidden />}
            onClick={() => {
              save("endpoints.csv", "text/csv", csv([...chosen.values()], [...COLUMNS]));
            }}
          >
            CSV
          </Button>
          <Tooltip label="Select none">
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label="Select none"
              onClick={() => {
                select(new Set());
              }}
            >
              <IconX size={18} />
            </ActionIcon>
          </Tooltip>
        </Group>
      </Group>
      <Box hidden={!isTagging}>
        <Suspense>
          {isTagging ? (
            <TagDialog
              endpoints={[...chosen.values()]}
              close={() => {
                setTagging(false);
              }}
              changed={changed}
            />
          ) : null}
        </Suspense>
      </Box>
    </Paper>
  );
}
