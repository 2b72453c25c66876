/// What was asked of an endpoint, and what was brought in from it.

import { Button } from "@mantine/core";
import { IconBolt, IconDownload, IconFile } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";

import { useAct } from "../../../act/start";
import { $api, type Schemas } from "../../../api/client";
import { PAGED, usePages } from "../../../api/pages";
import { DataTable, type Column } from "../../../ui/DataTable";
import { Empty } from "../../../ui/Empty";
import { Export } from "../../../ui/Filters";
import { Name } from "../../../ui/Name";
import { State } from "../../../ui/State";
import { bytes } from "../../../ui/text";
import { Time } from "../../../ui/Time";
import { useWhyNot } from "../actions";
import classes from "../cells.module.css";
import type { Endpoint } from "../row";

const TASKS: Column<Schemas["Task"]>[] = [
  { id: "title", title: "Action", width: "minmax(140px, 1.2fr)", isNarrow: true, cell: (task) => task.title },
  {
    id: "state",
    title: "State",
    width: "170px",
    isNarrow: true,
    cell: (task) => <State state={task.state} reason={task.reason_code} />,
  },
  { id: "reason", title: "Reason", width: "minmax(140px, 2fr)", cell: (task) => <Name>{task.reason}</Name> },
  {
    id: "by",
    title: "Asked by",
    width: "minmax(100px, 1fr)",
    cell: (task) => <Name length={40}>{task.requester.name}</Name>,
  },
  { id: "created", title: "Asked", width: "130px", cell: (task) => <Time at={task.created_at} /> },
  { id: "ended", title: "Ended", width: "130px", cell: (task) => <Time at={task.ended_at} /> },
  { id: "back", title: "Undoes itself", width: "130px", isExtra: true, cell: (task) => <Time at={task.revert_at} /> },
];

export function EndpointTasks({ endpoint }: { endpoint: Endpoint }) {
  const act = useAct();
  const query = { endpoint: endpoint.id };
  const pages = usePages(
    $api.useInfiniteQuery("get", "/api/v1/tasks", { params: { query: { ...query, limit: 100 } } }, PAGED),
  );
  return (
    <DataTable
      label="Tasks"
      columns={TASKS}
      pages={pages}
      id={(task) => task.id}
      to={(task) => `/tasks/${task.id}`}
      tools={<Export path="/api/v1/tasks" query={query} />}
      empty={
        <Empty
          icon={IconBolt}
          title="Nothing was asked of it"
          action={
            <Button
              onClick={() => {
                act({ endpoints: [endpoint.id] });
              }}
            >
              Act on it
            </Button>
          }
        >
          Every request on this endpoint stands here with its state and its evidence.
        </Empty>
      }
    />
  );
}

export function EndpointArtifacts({ endpoint }: { endpoint: Endpoint }) {
  const why = useWhyNot("artifact.download", endpoint.tags);
  const query = { endpoint: endpoint.id };
  const pages = usePages(
    $api.useInfiniteQuery("get", "/api/v1/artifacts", { params: { query: { ...query, limit: 100 } } }, PAGED),
  );
  const columns: Column<Schemas["Artifact"]>[] = [
    {
      id: "name",
      title: "Name",
      width: "minmax(140px, 2fr)",
      isNarrow: true,
      cell: (artifact) =>
        why === undefined && artifact.state === "stored" ? (
          <a href={`/api/v1/artifacts/${artifact.id}/content`} download className={classes.link}>
            <IconDownload size={14} aria-label="Download" /> <Name length={60}>{artifact.name}</Name>
          </a>
        ) : (
          <Name length={60}>{artifact.name}</Name>
        ),
    },
    {
      id: "state",
      title: "State",
      width: "130px",
      isNarrow: true,
      cell: (artifact) => <State state={artifact.state} />,
    },
    { id: "size", title: "Size", width: "100px", cell: (artifact) => bytes(artifact.size) },
    { id: "created", title: "Collected", width: "130px", cell: (artifact) => <Time at={artifact.created_at} /> },
    { id: "expires", title: "Deleted", width: "130px", cell: (artifact) => <Time at={artifact.expires_at} /> },
    {
      id: "sha256",
      title: "SHA-256",
      width: "minmax(120px, 1fr)",
      cell: (artifact) => (
        <Name length={20} mono>
          {artifact.sha256}
        </Name>
      ),
    },
    {
      id: "task",
      title: "Task",
      width: "90px",
      cell: (artifact) => (
        <Link to={`/tasks/${artifact.task_id}`} className={classes.link}>
          The task
        </Link>
      ),
    },
  ];
  return (
    <DataTable
      label="Artifacts"
      columns={columns}
      pages={pages}
      id={(artifact) => artifact.id}
      tools={<Export path="/api/v1/artifacts" query={query} />}
      empty={
        <Empty icon={IconFile} title="Nothing was brought in from it">
          A file that is collected comes as an archive with a password; both stand at the task that collected it.
        </Empty>
      }
    />
  );
}
