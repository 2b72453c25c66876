/// Collected files: from which endpoint, for which task, with digests, expiry and custody.

import { IconArchive } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { useMemo } from "react";

import { $api } from "../../api/client";
import { PAGED, usePages } from "../../api/pages";
import { ID, oneOf, sift } from "../../app/rules";
import { useFilters } from "../../app/url";
import { DataTable, type Column } from "../../ui/DataTable";
import { Empty } from "../../ui/Empty";
import { Export, Filters, type Choice } from "../../ui/Filters";
import { Name } from "../../ui/Name";
import { Odd } from "../../ui/Odd";
import { Page } from "../../ui/Page";
import { bytes } from "../../ui/text";
import { Time } from "../../ui/Time";
import { useShort } from "../tasks/catalogue";
import { EndpointBox } from "../tasks/EndpointBox";
import { given } from "../tasks/schema";
import type { Task } from "../tasks/words";
import { Arrival, type Artifact } from "./ArtifactCard";
import { Detail } from "./Detail";

const STATES = ["uploading", "stored", "failed", "expired", "deleted"];

const CHOICES: Choice[] = [
  { name: "state", label: "Status", options: STATES.map((state) => ({ value: state, label: state })) },
];

const RULES = { state: oneOf(STATES), endpoint: ID, task: ID };

/** What is in it, which its task says: every archive has the same name. */
function Content({ artifact }: { artifact: Artifact }) {
  const task = $api.useQuery("get", "/api/v1/tasks/{id}", { params: { path: { id: artifact.task_id } } }, OLD);
  return task.data === undefined ? <>{artifact.name}</> : <Words task={task.data} name={artifact.name} />;
}

function Words({ task, name }: { task: Task; name: string }) {
  const short = useShort(task);
  return <Name length={120}>{short === "" ? name : short}</Name>;
}

/** What was asked for does not change any more. */
const OLD = { staleTime: Infinity } as const;

const columns: Column<Artifact>[] = [
  {
    id: "content",
    title: "Content",
    width: "minmax(0, 1.5fr)",
    isNarrow: true,
    cell: (artifact) => <Content artifact={artifact} />,
  },
  {
    id: "endpoint",
    title: "Endpoint",
    width: "minmax(0, 0.8fr)",
    isNarrow: true,
    cell: (artifact) => <Name length={60}>{artifact.endpoint_name}</Name>,
  },
  {
    id: "state",
    title: "Status",
    width: "118px",
    isNarrow: true,
    cell: (artifact) => <Arrival artifact={artifact} />,
  },
  { id: "size", title: "Size", width: "90px", cell: (artifact) => bytes(artifact.size) },
  { id: "created", title: "Created", width: "120px", cell: (artifact) => <Time at={artifact.created_at} /> },
  { id: "expires", title: "Deleted", width: "120px", cell: (artifact) => <Time at={artifact.expires_at} /> },
  {
    id: "sha256",
    title: "SHA-256",
    width: "minmax(140px, 1.2fr)",
    cell: (artifact) => (
      <Name mono length={23} fz="xs">
        {artifact.sha256}
      </Name>
    ),
  },
  {
    id: "name",
    title: "File name",
    width: "minmax(120px, 0.8fr)",
    isExtra: true,
    cell: (artifact) => <Name length={60}>{artifact.name}</Name>,
  },
  { id: "type", title: "Type", width: "140px", isExtra: true, cell: (artifact) => artifact.media_type },
  {
    id: "stored",
    title: "Complete",
    width: "120px",
    isExtra: true,
    cell: (artifact) => <Time at={artifact.stored_at} />,
  },
];

const id = (artifact: Artifact): string => artifact.id;
const to = (artifact: Artifact): string => `/artifacts?open=${artifact.id}`;
const name = (artifact: Artifact): string => artifact.name;

export default function Artifacts() {
  const [filters] = useFilters();
  const [{ state, endpoint, task }, odd] = sift(filters, RULES);
  const query = useMemo(() => given({ state, endpoint, task }), [state, endpoint, task]);
  const answer = $api.useInfiniteQuery(
    "get",
    "/api/v1/artifacts",
    { params: { query: { ...query, limit: 100 } } },
    { ...PAGED, placeholderData: keepPreviousData },
  );
  const pages = usePages(answer);
  const isFiltered = Object.keys(query).length > 0;
  return (
    <Page
      title="Artifacts"
      about="Files that tasks brought: each in an archive of its own, with digests taken at both ends."
    >
      <Filters choices={CHOICES} views="artifacts" own={["endpoint", "task"]}>
        <EndpointBox />
      </Filters>
      <Odd words={odd} />
      <DataTable
        label="Artifacts"
        columns={columns}
        pages={pages}
        id={id}
        to={to}
        name={name}
        tools={<Export path="/api/v1/artifacts" query={query} />}
        empty={
          <Empty icon={IconArchive} title={isFiltered ? "No artifact is like that" : "No file was collected yet"}>
            {isFiltered ? (
              "Nothing matches these filters."
            ) : (
              <>
                What the action Collect File fetches, and output of scripts that is longer than fits into an outcome, is
                kept here until it expires: <code>quell act file collect</code>.
              </>
            )}
          </Empty>
        }
      />
      <Detail key={filters["open"]} id={filters["open"]} />
    </Page>
  );
}
