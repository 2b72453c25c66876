/// Where a version of a script ran, and for whom.

import { Box, Table, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { $api, type Schemas } from "../../api/client";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { State } from "../../ui/State";
import { count } from "../../ui/text";
import { Time } from "../../ui/Time";

const SHOWN = 10;

/** Orders carry the digest, so tasks are found by it, under whatever name the script was asked for. */
export function Runs({ version }: { version: Schemas["ScriptVersion"] }) {
  const text = `sha256:${version.sha256}`;
  const answer = $api.useQuery("get", "/api/v1/tasks", { params: { query: { text, limit: SHOWN } } });
  const rows = answer.data?.items ?? [];
  return (
    <Box component="section">
      <Title order={2} mb={4}>
        Where version {version.version} ran
      </Title>
      <Failure error={answer.error} retry={() => void answer.refetch()} />
      {answer.data !== undefined && rows.length === 0 ? (
        <Text size="sm" c="dimmed">
          No task has run it.
        </Text>
      ) : null}
      {rows.length === 0 ? null : (
        <Table.ScrollContainer minWidth={520} type="native">
          <Table verticalSpacing={6}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Task</Table.Th>
                <Table.Th>On</Table.Th>
                <Table.Th>By</Table.Th>
                <Table.Th>Status</Table.Th>
                <Table.Th>Asked</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map((task) => (
                <Table.Tr key={task.id}>
                  <Table.Td>
                    <Link to={`/tasks/${task.id}`}>
                      <Name length={60}>{task.reason}</Name>
                    </Link>
                  </Table.Td>
                  <Table.Td>{count(task.target_count, "endpoint")}</Table.Td>
                  <Table.Td>
                    <Name length={30}>{task.requester.name}</Name>
                  </Table.Td>
                  <Table.Td>
                    <State state={task.state} reason={task.reason_code} />
                  </Table.Td>
                  <Table.Td>
                    <Time at={task.created_at} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      {answer.data?.next == null ? null : (
        <Text size="sm" mt={4}>
          <Link to="/tasks" search={{ text } as never}>
            All of them
          </Link>
        </Text>
      )}
    </Box>
  );
}
