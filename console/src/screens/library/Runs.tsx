/// Which tasks took a version of the library, and for whom.

import { Box, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { $api, type Schemas } from "../../api/client";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { SmallTable } from "../../ui/SmallTable";
import { State } from "../../ui/State";
import { count } from "../../ui/text";
import { Time } from "../../ui/Time";

const SHOWN = 10;

/** Orders carry the digest, so tasks are found by it, under whatever name it was asked for. */
export function Runs({ version }: { version: Schemas["LibraryVersion"] }) {
  const text = `sha256:${version.sha256}`;
  const answer = $api.useQuery("get", "/api/v1/tasks", { params: { query: { text, limit: SHOWN } } });
  const rows = answer.data?.items ?? [];
  return (
    <Box component="section">
      <Title order={2} mb={4}>
        Where version {version.version} was used
      </Title>
      <Failure error={answer.error} retry={() => void answer.refetch()} />
      {answer.data !== undefined && rows.length === 0 ? (
        <Text size="sm" c="dimmed">
          No task has used it.
        </Text>
      ) : null}
      {rows.length === 0 ? null : (
        <SmallTable
          columns={[
            {
              title: "Task",
              cell: (task) => (
                <Link to={`/tasks/${task.id}`}>
                  <Name length={60}>{task.reason}</Name>
                </Link>
              ),
            },
            { title: "On", cell: (task) => count(task.target_count, "endpoint") },
            { title: "By", cell: (task) => <Name length={30}>{task.requester.name}</Name> },
            { title: "Status", cell: (task) => <State state={task.state} reason={task.reason_code} /> },
            { title: "Asked", cell: (task) => <Time at={task.created_at} /> },
          ]}
          rows={rows}
          of={(task) => task.id}
          verticalSpacing={6}
          minWidth={520}
          scroll="native"
        />
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
