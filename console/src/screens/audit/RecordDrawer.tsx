/// One record in full, and by one click all that belong to it.

import { Button, Drawer, Group, Loader, Stack, Text } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";

import { $api } from "../../api/client";
import { useFilters, type Search } from "../../app/url";
import { Copy } from "../../ui/Copy";
import { Facts } from "../../ui/Facts";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { Raw } from "../../ui/Raw";
import { inert, words } from "../../ui/text";
import { exact } from "../../ui/Time";
import classes from "./audit.module.css";
import { Outcome } from "./columns";
import { around, madeAt, placeOf, type AuditRecord } from "./record";

/** Milliseconds around a request in which all that it did was recorded. */
const REQUEST = 120_000;

export function RecordDrawer({ id, known }: { id: string; known: AuditRecord[] }) {
  const [, set] = useFilters();
  const held = known.find((record) => record.id === id);
  const at = madeAt(id);
  // Linked from elsewhere: its id says when it was made.
  const read = $api.useQuery(
    "get",
    "/api/v1/audit",
    { params: { query: { ...around(at ?? 0, 2000), limit: 500 } } },
    { enabled: held === undefined && at !== undefined },
  );
  const record = held ?? read.data?.items.find((each) => each.id === id);
  return (
    <Drawer
      opened
      onClose={() => {
        set({ record: undefined });
      }}
      title={record ? words(record.verb) : "Record"}
    >
      {record ? (
        <Shown record={record} />
      ) : read.isFetching ? (
        <Loader aria-label="Reading the record" />
      ) : (
        <>
          <Failure error={read.error} />
          <Text size="sm">There is no such record in this tenant’s trail.</Text>
        </>
      )}
    </Drawer>
  );
}

function Id({ text, label }: { text: string; label: string }) {
  return (
    <Group gap={4} wrap="nowrap" component="span">
      <code style={{ overflowWrap: "anywhere" }}>{inert(text)}</code>
      <Copy value={text} label={label} />
    </Group>
  );
}

function Shown({ record }: { record: AuditRecord }) {
  const navigate = useNavigate();
  const place = placeOf(record);
  const show = (search: Search): void => {
    void navigate({ to: "/audit", search: search as never });
  };
  const all = (label: string, search: Search) => (
    <Button
      key={label}
      size="compact-sm"
      variant="default"
      onClick={() => {
        show(search);
      }}
    >
      {label}
    </Button>
  );
  const at = Date.parse(record.at);
  return (
    <Stack gap="sm">
      <Facts
        rows={[
          ["When", exact(at)],
          [
            "Who",
            <Stack key="who" gap={0}>
              <span>
                <Name length={200}>{record.actor_name || "–"}</Name>{" "}
                <span className={classes.quiet}>{inert(words(record.actor_kind))}</span>
              </span>
              <Id text={record.actor_id} label="Copy the actor’s id" />
            </Stack>,
          ],
          ["What", <code key="verb">{inert(record.verb)}</code>],
          [
            "To what",
            <Stack key="object" gap={0}>
              <span>
                {place === undefined ? (
                  inert(words(record.object_kind))
                ) : (
                  <Link to={place} className={classes.link}>
                    {inert(words(record.object_kind))}
                  </Link>
                )}
              </span>
              <Id text={record.object_id} label="Copy the object’s id" />
            </Stack>,
          ],
          ["Outcome", <Outcome key="outcome" outcome={record.outcome} />],
          ["From", record.remote ? <Name key="remote">{record.remote}</Name> : undefined],
          [
            "Request",
            record.request_id ? <Id key="request" text={record.request_id} label="Copy the request’s id" /> : undefined,
          ],
          ["Record", <Id key="id" text={record.id} label="Copy the record’s id" />],
        ]}
      />
      <Group gap="xs" role="group" aria-label="All records">
        {all("All about this object", { object: record.object_id })}
        {all("All by this actor", { actor: record.actor_id })}
        {all("All of this verb", { verb: record.verb })}
        {record.request_id ? all("All of this request", { text: record.request_id, ...around(at, REQUEST) }) : null}
      </Group>
      <Raw value={record.detail} label="Detail" mah={600} />
    </Stack>
  );
}
