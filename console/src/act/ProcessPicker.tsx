/// A process chosen from what runs on the endpoint: nobody types a start time. The list is a task of its own, which the
/// endpoint answers as any other.

import { Anchor, Box, Group, Loader, Stack, Table, Text, UnstyledButton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconListSearch } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useId, useState } from "react";

import { $api, type Schemas } from "../api/client";
import { useMe, whyNot } from "../api/me";
import type { Field } from "../form/fields";
import type { Values } from "../form/values";
import { Deed } from "../ui/Deed";
import { Failure } from "../ui/Failure";
import { Name } from "../ui/Name";
import { SearchInput } from "../ui/SearchInput";
import { State } from "../ui/State";
import { inertLines } from "../ui/text";
import classes from "./act.module.css";
import { freshKey } from "./useRequest";

const LIST = "process.list";
/** Rows that are offered; more are found by typing. */
const OFFERED = 60;
/** Milliseconds between two looks at the answer, which news bring as a rule. */
const LOOK = 1_000;
const OPEN = ["pending_approval", "queued", "dispatched", "running", "verifying"];

type Props = {
  /** The one endpoint, or none or several. */
  endpoints: string[];
  fields: Field[];
  values: Values;
  change: (values: Values) => void;
  /** For what it is chosen, said in the reason of the list. */
  title: string;
};

type Process = { pid: number; start_time: number; user?: string; name?: string; path?: string; command_line?: string };

export default function ProcessPicker({ endpoints, fields, values, change, title }: Props) {
  const me = useMe();
  const [endpoint] = endpoints;
  const [asked, setAsked] = useState<{ task: string; endpoint: string }>();
  const [isOpen, setOpen] = useState(false);
  const [picked, setPicked] = useState<Process>();
  const region = useId();
  const asking = $api.useMutation("post", "/api/v1/tasks", {
    onSuccess: (task, { body }) => {
      setAsked({ task: task.id, endpoint: body.targets?.endpoints?.[0] ?? "" });
      setOpen(true);
    },
  });
  const why =
    endpoint === undefined || endpoints.length > 1
      ? "Name one endpoint first: the list is of one."
      : whyNot(me, "task.submit", LIST);
  const ask = (): void => {
    if (endpoint === undefined) return;
    asking.mutate({
      params: { header: { "Idempotency-Key": freshKey() } },
      body: { action: LIST, params: {}, targets: { endpoints: [endpoint] }, reason: `To choose a process: ${title}` },
    });
  };
  const pick = (process: Process, boot: unknown): void => {
    const hasBoot = fields.some(({ name }) => name === "boot_id") && typeof boot === "string";
    change({
      ...values,
      pid: process.pid,
      start_time: process.start_time,
      ...(hasBoot ? { boot_id: boot } : {}),
    });
    setPicked(process);
    setOpen(false);
  };
  const isCurrent = picked !== undefined && values["pid"] === picked.pid && asked?.endpoint === endpoint;
  return (
    <Box mb="sm">
      <Group gap="sm">
        <Deed
          size="xs"
          variant="default"
          leftSection={<IconListSearch size={14} aria-hidden />}
          why={why}
          loading={asking.isPending}
          aria-expanded={isOpen}
          aria-controls={region}
          onClick={ask}
        >
          {asked === undefined ? "Pick from what runs…" : "Read what runs again…"}
        </Deed>
        {isCurrent ? (
          <Text size="sm" miw={0} style={{ overflowWrap: "anywhere" }}>
            <b>
              <Name length={40}>{picked.name ?? ""}</Name>
            </b>{" "}
            {picked.pid}, <Name length={80}>{picked.command_line ?? picked.path ?? ""}</Name>
          </Text>
        ) : null}
      </Group>
      <Failure error={asking.error} />
      <Box id={region}>
        {isOpen && asked !== undefined && asked.endpoint === endpoint ? <List task={asked.task} pick={pick} /> : null}
      </Box>
    </Box>
  );
}

function List({ task, pick }: { task: string; pick: (process: Process, boot: unknown) => void }) {
  const answer = $api.useQuery(
    "get",
    "/api/v1/tasks/{id}",
    { params: { path: { id: task } } },
    {
      refetchInterval: ({ state }) => (OPEN.includes(state.data?.commands.items[0]?.state ?? "queued") ? LOOK : false),
    },
  );
  const command = answer.data?.commands.items[0];
  if (answer.error !== null) return <Failure error={answer.error} retry={() => void answer.refetch()} />;
  if (command?.state === "succeeded") {
    const boot = (command.outcome as Record<string, unknown> | null)?.["boot_id"];
    return (
      <Rows
        task={task}
        pick={(process) => {
          pick(process, boot);
        }}
      />
    );
  }
  return (
    <Stack gap={4} mt="xs" role="status">
      <Group gap="xs">
        {command === undefined || OPEN.includes(command.state) ? <Loader size="xs" role="presentation" /> : null}
        <State state={command?.state ?? "queued"} reason={command?.reason_code ?? null} />
        <Anchor component={Link} to={`/tasks/${task}`} target="_blank" size="sm">
          The task
        </Anchor>
      </Group>
      {command?.message ? <Text size="sm">{inertLines(command.message)}</Text> : null}
    </Stack>
  );
}

function processOf({ row }: Schemas["TaskRow"]): Process | undefined {
  const values = row as Record<string, unknown>;
  const { pid, start_time } = values;
  if (typeof pid !== "number" || typeof start_time !== "number") return undefined;
  const text = (name: string): string => {
    const value = values[name];
    return typeof value === "string" ? value : "";
  };
  return {
    pid,
    start_time,
    user: text("user"),
    name: text("name"),
    path: text("path"),
    command_line: text("command_line"),
  };
}

function Rows({ task, pick }: { task: string; pick: (process: Process) => void }) {
  const [text, setText] = useState("");
  const [wanted] = useDebouncedValue(text.trim(), 200);
  const query = { limit: OFFERED, ...(wanted === "" ? {} : { text: wanted }) };
  const answer = $api.useQuery(
    "get",
    "/api/v1/tasks/{id}/rows",
    { params: { path: { id: task }, query } },
    { placeholderData: keepPreviousData },
  );
  const found = (answer.data?.items ?? []).map(processOf).filter((each) => each !== undefined);
  return (
    <Stack gap={6} mt="xs">
      <SearchInput
        autoFocus
        size="xs"
        label="Search processes"
        placeholder="Name, path, command line, user"
        value={text}
        change={setText}
        onKeyDown={(event) => {
          if (event.key === "Enter") event.preventDefault();
        }}
      />
      <Failure error={answer.error} retry={() => void answer.refetch()} />
      <Box className={classes.processes} tabIndex={0} role="region" aria-label="Processes">
        <Table verticalSpacing={2} fz="xs" layout="fixed" stickyHeader>
          <Table.Thead>
            <Table.Tr>
              <Table.Th w={70}>Id</Table.Th>
              <Table.Th w={90}>User</Table.Th>
              <Table.Th>Process</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {found.map((process) => (
              <Table.Tr key={`${String(process.pid)} ${String(process.start_time)}`}>
                <Table.Td>{process.pid}</Table.Td>
                <Table.Td>
                  <Name length={20}>{process.user}</Name>
                </Table.Td>
                <Table.Td>
                  <UnstyledButton
                    className={classes.process ?? ""}
                    data-hint="Pick it"
                    onClick={() => {
                      pick(process);
                    }}
                  >
                    <b>
                      <Name length={40}>{process.name}</Name>
                    </b>{" "}
                    <Text span size="xs" c="dimmed">
                      <Name length={120}>{process.command_line === "" ? process.path : process.command_line}</Name>
                    </Text>
                  </UnstyledButton>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Box>
      <Text size="xs" c="dimmed" role="status">
        {answer.isPending
          ? "Reading…"
          : found.length === 0
            ? "No process is like that."
            : answer.data?.next
              ? `The first ${String(found.length)}; type to find others.`
              : ""}
      </Text>
    </Stack>
  );
}
