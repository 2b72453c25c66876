/// What a task found: the rows of all its endpoints as one list, filtered and exported by the server, read as they come.

import { Alert, Box, Drawer, Group, Stack, Table, Text, Title, UnstyledButton } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useMemo } from "react";

import { $api, type Schemas } from "../../api/client";
import { PAGED, usePages } from "../../api/pages";
import { useFilters } from "../../app/url";
import { Copy } from "../../ui/Copy";
import { DataTable, type Column } from "../../ui/DataTable";
import { Empty } from "../../ui/Empty";
import { Export, Filters } from "../../ui/Filters";
import { Name } from "../../ui/Name";
import { Raw } from "../../ui/Raw";
import { clip, count, inert } from "../../ui/text";

type Row = Schemas["TaskRow"];
type Source = Schemas["RowsOfCommand"];

/** Columns that stand in the table from the beginning; the rest is chosen, or read in a row's detail. */
const SHOWN = 8;
/** Commands that cannot be read whole and are named. */
const NAMED = 5;

/** A value as text. */
function said(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

export default function Rows({ task, targets, isOver }: { task: string; targets: number; isOver: boolean }) {
  const [filters, set] = useFilters();
  const text = filters["found"];
  const where = filters["where"];
  const query = { ...(text === undefined ? {} : { text }), ...(where === undefined ? {} : { where }) };
  const answer = $api.useInfiniteQuery(
    "get",
    "/api/v1/tasks/{id}/rows",
    { params: { path: { id: task }, query: { ...query, limit: 200 } } },
    PAGED,
  );
  const pages = usePages<Row>(answer as never);
  const read = answer.data?.pages;
  const known = useMemo(() => {
    const columns = new Map<string, string>();
    const sources = new Map<string, Source>();
    for (const page of read ?? []) {
      for (const { name, type } of page.columns) if (!columns.has(name)) columns.set(name, type);
      for (const source of page.commands) sources.set(source.command_id, source);
    }
    return { columns: [...columns], sources: [...sources.values()] };
  }, [read]);
  const columns = useMemo<Column<Row>[]>(
    () => [
      {
        id: ":endpoint",
        title: "Endpoint",
        width: "150px",
        isNarrow: true,
        cell: (row) => (
          <UnstyledButton
            fz="inherit"
            aria-label={`All values of this row of ${clip(inert(row.endpoint), 40)}`}
            onClick={() => {
              set({ row: row.key });
            }}
          >
            <Name fw={550} length={40}>
              {row.endpoint}
            </Name>
          </UnstyledButton>
        ),
      },
      ...known.columns.map(([name, type], index): Column<Row> => {
        const isNumber = type === "integer" || type === "real";
        return {
          id: name,
          title: clip(inert(name), 40),
          width: isNumber ? "110px" : "minmax(120px, 1fr)",
          isNarrow: index < 2,
          isExtra: index >= SHOWN,
          cell: (row) => (
            <Name mono={type === "blob"} length={200}>
              {said((row.row as Record<string, unknown>)[name])}
            </Name>
          ),
        };
      }),
    ],
    [known.columns, set],
  );
  const chosen = pages.rows.find((row) => row.key === filters["row"]);
  return (
    <Box component="section" aria-label="Rows">
      <Title order={2} mb="xs">
        What was found
      </Title>
      <Missing sources={known.sources} targets={targets} />
      <Filters search="found" own={["where"]} />
      <DataTable
        label="Rows"
        columns={columns}
        pages={pages}
        id={(row) => row.key}
        of={JSON.stringify(query)}
        name={(row) => clip(inert(row.endpoint), 60)}
        tools={<Export path={`/api/v1/tasks/${task}/rows`} query={query} />}
        empty={
          <Empty icon={IconAlertTriangle} title="No rows">
            {text === undefined && where === undefined
              ? isOver
                ? "Nothing was found."
                : "Nothing was found so far. Rows stand here as they come in."
              : "No row is like that."}
          </Empty>
        }
      />
      <Drawer
        opened={chosen !== undefined}
        onClose={() => {
          set({ row: undefined });
        }}
        title={chosen === undefined ? "" : clip(inert(chosen.endpoint), 80)}
        closeButtonProps={{ "aria-label": "Close" }}
      >
        {chosen === undefined ? null : (
          <Detail
            row={chosen}
            columns={known.columns.map(([name]) => name)}
            look={(name, value) => {
              set({ where: `${name}=${value}`, row: undefined });
            }}
          />
        )}
      </Drawer>
    </Box>
  );
}

/** Of which endpoints something is missing, and why. */
function Missing({ sources, targets }: { sources: Source[]; targets: number }) {
  const broken = sources.filter(({ fault, truncated }) => fault !== null || truncated);
  const complete = sources.filter((source) => source.complete).length;
  return (
    <Stack gap={6} mb="xs">
      <Text size="sm" c="dimmed">
        {complete} of {count(targets, "endpoint")} complete
        {sources.length < targets ? ", as far as was read" : ""}
      </Text>
      {broken.length === 0 ? null : (
        <Alert variant="default" p="xs" icon={<IconAlertTriangle aria-hidden />}>
          {broken.slice(0, NAMED).map((source) => (
            <Text size="sm" key={source.command_id}>
              <Name length={60}>{source.endpoint}</Name>:{" "}
              {source.fault == null ? "there were more rows, beyond a limit" : clip(inert(source.fault), 200)}
            </Text>
          ))}
          {broken.length > NAMED ? <Text size="sm">and {broken.length - NAMED} more</Text> : null}
        </Alert>
      )}
    </Stack>
  );
}

type DetailProps = { row: Row; columns: string[]; look: (name: string, value: string) => void };

function Detail({ row, columns, look }: DetailProps) {
  const values = row.row as Record<string, unknown>;
  const names = [
    ...columns.filter((name) => name in values),
    ...Object.keys(values).filter((n) => !columns.includes(n)),
  ];
  return (
    <Stack gap="md">
      <Table verticalSpacing={4} layout="fixed">
        <Table.Tbody>
          {names.map((name) => {
            const value = said(values[name]);
            return (
              <Table.Tr key={name}>
                <Table.Th w="34%" style={{ verticalAlign: "top" }}>
                  <Name length={60}>{name}</Name>
                </Table.Th>
                <Table.Td>
                  <Group gap={4} wrap="nowrap" align="flex-start">
                    <UnstyledButton
                      disabled={value === "" || value.length > 500}
                      title="Show rows with this value"
                      onClick={() => {
                        look(name, value);
                      }}
                    >
                      <Text size="sm" style={{ overflowWrap: "anywhere" }} component="div">
                        <Name length={4000}>{value}</Name>
                      </Text>
                    </UnstyledButton>
                    {value === "" ? null : <Copy value={value} label={`Copy ${clip(inert(name), 40)}`} />}
                  </Group>
                </Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
      <Raw value={row.row} label="row" />
    </Stack>
  );
}
