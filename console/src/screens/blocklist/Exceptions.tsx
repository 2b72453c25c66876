/// What is never blocked, whoever lists it: shown with who said so and why, added and taken away one at a time.

import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";

import { $api, api, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { asApiError } from "../../api/problem";
import { refresh } from "../../api/query";
import { tagged } from "../../api/tagged";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { SmallTable } from "../../ui/SmallTable";
import { clip, inert } from "../../ui/text";
import { Time } from "../../ui/Time";
import { Unread } from "../../ui/Unread";

type Row = Schemas["Exception"];
type Wanted = { value: string; kind?: string; reason: string };

export function Exceptions() {
  const me = useMe();
  const [value, setValue] = useState("");
  const [reason, setReason] = useState("");
  const [leaving, leave] = useState<string | undefined>();
  const answer = useQuery({
    queryKey: ["get", "/api/v1/blocklist/exceptions"],
    queryFn: ({ signal }) => tagged(api.GET("/api/v1/blocklist/exceptions", { signal })),
  });
  const put = $api.useMutation("put", "/api/v1/blocklist/exceptions", {
    onSuccess: () => {
      setValue("");
      setReason("");
      leave(undefined);
    },
    // Also where it failed: somebody else may have changed them meanwhile.
    onSettled: () => refresh("/api/v1/blocklist"),
  });
  if (answer.data === undefined) return <Unread answer={answer} label="Reading the exceptions" />;
  const { tag, data } = answer.data;
  const rows = data.items;
  const kept: Wanted[] = rows.map((row) => ({ value: row.value, kind: row.kind, reason: row.reason }));
  const why = whyNot(me, "blocklist.manage");
  const send = (items: Wanted[]): void => {
    put.mutate({ params: { header: { "If-Match": tag } }, body: { items } });
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (why === undefined) send([...kept, { value, reason }]);
  };
  const last = `items[${String(rows.length)}]`;
  const problem = (field: string): { error?: string } => {
    const error = put.error === null ? undefined : asApiError(put.error).field(`${last}.${field}`);
    return error === undefined ? {} : { error };
  };
  return (
    <Stack gap="md" maw={960}>
      <Text size="sm">
        What stands here is never blocked on any endpoint, also where a network or a domain around it is listed.
        Loopback, link-local and multicast addresses, the server itself and the empty file need no exception.
      </Text>
      <form onSubmit={submit}>
        <Group gap="sm" align="flex-start">
          <TextInput
            label="Value"
            required
            maxLength={4096}
            spellCheck={false}
            autoComplete="off"
            style={{ flex: "1 1 220px" }}
            value={value}
            {...problem("value")}
            onChange={(event) => {
              setValue(event.currentTarget.value);
            }}
          />
          <TextInput
            label="Reason"
            required
            maxLength={500}
            style={{ flex: "2 1 260px" }}
            value={reason}
            {...problem("reason")}
            onChange={(event) => {
              setReason(event.currentTarget.value);
            }}
          />
          <Deed type="submit" mt={24} why={why} loading={put.isPending}>
            Add exception
          </Deed>
        </Group>
      </form>
      {put.error === null ? null : <Failure error={put.error} />}
      {data.published ? null : (
        <Text size="sm">Stored, but not signed yet: agents keep the list that they have until it is.</Text>
      )}
      {rows.length === 0 ? (
        <Text size="sm">There is no exception.</Text>
      ) : (
        <Rows
          rows={rows}
          why={why}
          leaving={leaving}
          leave={leave}
          remove={(row) => {
            send(kept.filter((each) => each.value !== row.value || each.kind !== row.kind));
          }}
        />
      )}
    </Stack>
  );
}

type RowsProps = {
  rows: Row[];
  why: string | undefined;
  leaving: string | undefined;
  leave: (value: string | undefined) => void;
  remove: (row: Row) => void;
};

function Rows({ rows, why, leaving, leave, remove }: RowsProps) {
  return (
    <SmallTable
      columns={[
        {
          title: "Value",
          cell: (row) => (
            <Name mono length={60}>
              {row.value}
            </Name>
          ),
        },
        { title: "Reason", cell: (row) => <Name length={120}>{row.reason}</Name> },
        { title: "By", cell: (row) => <Name length={40}>{row.added_by}</Name> },
        { title: "Since", cell: (row) => <Time at={row.added_at} /> },
        {
          title: "Change",
          cell: (row) =>
            leaving === row.value ? (
              <Group gap="xs">
                <Deed
                  size="compact-sm"
                  color="red.9"
                  why={why}
                  onClick={() => {
                    remove(row);
                  }}
                >
                  End it: {clip(inert(row.value), 30)} can be blocked
                </Deed>
                <Button
                  size="compact-sm"
                  variant="default"
                  onClick={() => {
                    leave(undefined);
                  }}
                >
                  Keep
                </Button>
              </Group>
            ) : (
              <Deed
                size="compact-sm"
                variant="default"
                why={why}
                onClick={() => {
                  leave(row.value);
                }}
              >
                End
              </Deed>
            ),
        },
      ]}
      rows={rows}
      of={(row) => `${row.kind} ${row.value}`}
      minWidth={560}
    />
  );
}
