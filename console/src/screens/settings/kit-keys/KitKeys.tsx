/// Whose investigation kits are taken: the library refuses those that no key of these signed.

import { Anchor, Code, Group, Text } from "@mantine/core";
import { IconPlus, IconSignature } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { $api, api, data, type Schemas } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { PAGED, usePages } from "../../../api/pages";
import { refresh } from "../../../api/query";
import { Copy } from "../../../ui/Copy";
import { DataTable, type Column } from "../../../ui/DataTable";
import { Deed } from "../../../ui/Deed";
import { Empty } from "../../../ui/Empty";
import { Export } from "../../../ui/Filters";
import { Name } from "../../../ui/Name";
import { Page } from "../../../ui/Page";
import { Sure } from "../../../ui/Sure";
import { Time } from "../../../ui/Time";
import { clip, inert } from "../../../ui/text";
import { NewKitKey } from "./NewKitKey";
import { printed } from "./printed";

type KitKey = Schemas["KitKey"];
const PATH = "/api/v1/kit-keys";

export default function KitKeys() {
  const me = useMe();
  const pages = usePages<KitKey>($api.useInfiniteQuery("get", PATH, { params: { query: { limit: 100 } } }, PAGED));
  const [isNew, make] = useState(false);
  const [removed, remove] = useState<KitKey | undefined>();
  const why = whyNot(me, "trust.manage");
  const shown = useMemo(() => columns(why, remove), [why]);
  const add = (
    <Deed
      leftSection={<IconPlus size={16} aria-hidden />}
      why={why}
      onClick={() => {
        make(true);
      }}
    >
      Add key
    </Deed>
  );
  return (
    <Page
      title="Kit keys"
      about={
        <>
          Whose{" "}
          <Anchor component={Link} to="/library?kind=kit" inherit underline="always">
            investigation kits
          </Anchor>{" "}
          are taken. A kit brings scripts and programs of its own to endpoints; the library, and every task, refuses
          what none of these keys signed.
        </>
      }
      actions={add}
    >
      <DataTable
        label="Keys"
        columns={shown}
        pages={pages}
        id={(key) => key.id}
        name={(key) => clip(inert(key.name), 60)}
        tools={<Export path={PATH} query={{}} />}
        empty={
          <Empty icon={IconSignature} title="No keys" action={add}>
            Until whoever makes kits is named here by their key, the library takes none. They make it, and keep its
            private part, with
            <Text my={6}>
              <Code>quell kit key --out kit.key</Code>
            </Text>
            which prints the public part. That is what is added here, after they read it to you in another way than the
            one it came by.
          </Empty>
        }
      />
      {isNew ? (
        <NewKitKey
          close={() => {
            make(false);
          }}
        />
      ) : null}
      {removed === undefined ? null : (
        <Sure
          title="Remove the key"
          deed="Remove"
          act={async () => {
            await data(api.DELETE("/api/v1/kit-keys/{id}", { params: { path: { id: removed.id } } }));
            await refresh(PATH);
          }}
          close={() => {
            remove(undefined);
          }}
        >
          <Text size="sm">
            No kit that{" "}
            <b>
              <Name length={60}>{removed.name}</Name>
            </b>{" "}
            (<code>{removed.key_id}</code>) signed is taken any more: no new task names one, none is approved, and what
            was approved before and not handed out ends as rejected. What an endpoint has already goes on: cancel it.
            Where the key is added again, its kits are taken again.
          </Text>
        </Sure>
      )}
    </Page>
  );
}

function columns(why: string | undefined, remove: (key: KitKey) => void): Column<KitKey>[] {
  return [
    {
      id: "name",
      title: "Who signs",
      width: "minmax(130px, 1fr)",
      isNarrow: true,
      cell: (key) => (
        <Name fw={550} length={60}>
          {key.name}
        </Name>
      ),
    },
    { id: "key_id", title: "Key", width: "170px", isNarrow: true, cell: (key) => <code>{key.key_id}</code> },
    {
      id: "public",
      title: "Public key",
      width: "minmax(200px, 3.4fr)",
      cell: (key) => (
        <Group gap={4} wrap="nowrap" miw={0}>
          <Text component="span" truncate miw={0}>
            <Name mono length={80} fz="xs">
              {printed(key.public)}
            </Name>
          </Text>
          <Copy value={printed(key.public)} label="Copy the public key" />
        </Group>
      ),
    },
    {
      id: "by",
      title: "Added by",
      width: "minmax(110px, 1fr)",
      cell: (key) => <Name length={40}>{key.created_by}</Name>,
    },
    { id: "made", title: "Added", width: "120px", cell: (key) => <Time at={key.created_at} /> },
    {
      id: "do",
      title: "Do",
      width: "96px",
      isNarrow: true,
      cell: (key) => (
        <Deed
          size="compact-sm"
          variant="default"
          why={why}
          onClick={() => {
            remove(key);
          }}
        >
          Remove
        </Deed>
      ),
    },
  ];
}
