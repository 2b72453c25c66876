/// A list of endpoints, with a way to add and to remove; each change is stored at once and can be taken back.

import { ActionIcon, Button, Group, Text, Tooltip } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useState } from "react";

import { Deed } from "../../../ui/Deed";
import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import { SearchInput } from "../../../ui/SearchInput";
import { Unread } from "../../../ui/Unread";
import { clip, count, inert } from "../../../ui/text";
import { EndpointPicker } from "./EndpointPicker";
import { idsAsCsv } from "./csv";
import { LineErrors } from "./Import";
import classes from "./Settings.module.css";
import { putList, type List, type ListName, type useList } from "./useList";

/** Rows drawn; more are found by searching. */
const DRAWN = 200;

type Props = { list: ListName; stored: ReturnType<typeof useList>; why: string | undefined };

export function ListEditor({ list, stored, why }: Props) {
  const [text, setText] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const [refused, setRefused] = useState<{ ids: string[]; answer: List } | undefined>();
  const [before, setBefore] = useState<string[] | undefined>();
  const rows = stored.data?.data.endpoints ?? [];
  const seen = stored.data?.tag ?? "*";
  const found = rows.filter((row) =>
    [row.name, row.written, row.id].some((held) => held.toLowerCase().includes(text.trim().toLowerCase())),
  );
  const put = async (ids: string[], skip = false): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const answer = await putList(list, idsAsCsv(ids), seen, { skip_errors: skip });
      setRefused(answer.is_stored ? undefined : { ids, answer });
      if (answer.is_stored) setBefore(rows.map((row) => row.id));
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  if (stored.data === undefined) return <Unread answer={stored} label="Reading the list" size="sm" />;
  return (
    <>
      <Group gap="xs" mb="xs" align="flex-end">
        <SearchInput label="Search in the list" flex="1 1 200px" value={text} change={setText} />
        {why === undefined ? (
          <EndpointPicker
            label="Add endpoints"
            without={rows.map((row) => row.id)}
            isBusy={isBusy}
            pick={(ids) => void put([...rows.map((row) => row.id), ...ids])}
          />
        ) : null}
      </Group>
      <Failure error={error} mb="xs" />
      {refused === undefined ? null : (
        <>
          <LineErrors answer={refused.answer} />
          <Group gap="xs" my="xs">
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => {
                setRefused(undefined);
              }}
            >
              Leave the list as it is
            </Button>
            <Button size="compact-sm" color="red.9" onClick={() => void put(refused.ids, true)}>
              Store it without these {String(refused.answer.errors.length)}
            </Button>
          </Group>
        </>
      )}
      {before === undefined || refused !== undefined ? null : (
        <Group gap="xs" mb="xs" role="status">
          <Text size="sm" c="var(--quell-ok)">
            Stored: {count(rows.length, "endpoint")}.
          </Text>
          <Button size="compact-sm" variant="default" loading={isBusy} onClick={() => void put(before)}>
            Put the former list back
          </Button>
        </Group>
      )}
      {rows.length === 0 ? (
        <Text size="sm" c="dimmed">
          No endpoint stands on it. Add some above, or import a CSV file: its first column holds ids or names.
        </Text>
      ) : (
        <ul className={classes.listed} tabIndex={0} aria-label="Endpoints on the list">
          {found.slice(0, DRAWN).map((row) => (
            <li key={row.id}>
              <span>
                <Name length={60}>{row.name === "" ? "(gone)" : row.name}</Name>{" "}
                <Text span size="xs" c="dimmed" ff="monospace">
                  {row.id}
                </Text>
                {row.written !== row.name && row.written !== row.id ? (
                  <Text span size="xs" c="dimmed">
                    {" "}
                    written as <Name length={60}>{row.written}</Name>
                  </Text>
                ) : null}
              </span>
              {why === undefined ? (
                <Tooltip label="Take it off the list">
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    disabled={isBusy}
                    aria-label={`Take ${clip(inert(row.name), 60)} off the list`}
                    onClick={() => void put(rows.filter((each) => each.id !== row.id).map((each) => each.id))}
                  >
                    <IconTrash size={15} />
                  </ActionIcon>
                </Tooltip>
              ) : null}
            </li>
          ))}
        </ul>
      )}
      <Group justify="space-between" mt={6}>
        <Text size="xs" c="dimmed">
          {text.trim() === ""
            ? count(rows.length, "endpoint")
            : `${String(found.length)} of ${count(rows.length, "endpoint")}`}
          {found.length > DRAWN ? `; the first ${String(DRAWN)} are shown` : ""}
        </Text>
        {rows.length > 0 ? <Clear why={why} size={rows.length} clear={() => put([])} /> : null}
      </Group>
    </>
  );
}

function Clear({ why, size, clear }: { why: string | undefined; size: number; clear: () => Promise<void> }) {
  const [isSure, setSure] = useState(false);
  if (why !== undefined) return null;
  return isSure ? (
    <Group gap="xs">
      <Text size="sm">Take all {size} off?</Text>
      <Button
        size="compact-sm"
        variant="default"
        onClick={() => {
          setSure(false);
        }}
      >
        No
      </Button>
      <Button
        size="compact-sm"
        color="red.9"
        onClick={() => {
          setSure(false);
          void clear();
        }}
      >
        Empty the list
      </Button>
    </Group>
  ) : (
    <Deed
      size="compact-sm"
      variant="subtle"
      color="gray"
      onClick={() => {
        setSure(true);
      }}
    >
      Empty the list…
    </Deed>
  );
}
