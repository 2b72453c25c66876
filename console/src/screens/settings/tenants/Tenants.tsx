/// Tenants: each has its endpoints, people, roles, settings, files and trail.

import { Badge, Button, Group, Text, TextInput } from "@mantine/core";
import { IconBuildingCommunity, IconPlus } from "@tabler/icons-react";
import { useMemo, useState } from "react";

import { $api, api, data, type Schemas } from "../../../api/client";
import { holds, useMe, whyNot } from "../../../api/me";
import type { Pages } from "../../../api/pages";
import { asApiError } from "../../../api/problem";
import { refresh } from "../../../api/query";
import { changeTenant } from "../../../app/session";
import { Ask } from "../../../ui/Ask";
import { DataTable, type Column } from "../../../ui/DataTable";
import { Deed } from "../../../ui/Deed";
import { Empty } from "../../../ui/Empty";
import { Name } from "../../../ui/Name";
import { Page } from "../../../ui/Page";
import { Time } from "../../../ui/Time";
import { clip, inert } from "../../../ui/text";
import { ShownTicket } from "../people/ShownTicket";

type Tenant = Schemas["TenantView"];

/** Why somebody who holds the permission still may not: it is the server's first tenant that runs the server. */
const ELSEWHERE = "Only administrators of the server’s first tenant make tenants.";

export default function Tenants() {
  const me = useMe();
  const mayAsk = holds(me, "tenant.manage");
  const all = $api.useQuery(
    "get",
    "/api/v1/tenants",
    { params: { query: { all: true } } },
    { enabled: mayAsk, retry: false },
  );
  const own = $api.useQuery("get", "/api/v1/tenants");
  const isFirst = all.data !== undefined;
  const isRefused = all.error !== null && asApiError(all.error).status === 403;
  const [isNew, make] = useState(false);
  const members = useMemo(() => new Set((own.data?.items ?? []).map((tenant) => tenant.id)), [own.data]);
  const shown = useMemo(() => {
    return columns(members, (tenant) => void changeTenant(tenant));
  }, [members]);
  const source = isFirst ? all : own;
  const pages: Pages<Tenant> = {
    rows: source.data?.items ?? [],
    total: undefined,
    error: isRefused ? own.error : (all.error ?? own.error),
    isFirst: source.isPending,
    isMore: false,
    isFetching: source.isFetching,
    more: () => undefined,
    again: () => void source.refetch(),
  } as Pages<Tenant>;
  const add = (
    <Deed
      leftSection={<IconPlus size={16} aria-hidden />}
      why={whyNot(me, "tenant.manage") ?? (isRefused ? ELSEWHERE : undefined)}
      onClick={() => {
        make(true);
      }}
    >
      New tenant
    </Deed>
  );
  return (
    <Page
      title="Tenants"
      about={
        isFirst
          ? "Every tenant of this server. Whoever makes one sees nothing of what is in it."
          : "The tenants that you are a member of."
      }
      actions={add}
    >
      <DataTable
        label="Tenants"
        columns={shown}
        pages={pages}
        id={(tenant) => tenant.id}
        name={(tenant) => clip(inert(tenant.name), 60)}
        empty={
          <Empty icon={IconBuildingCommunity} title="No tenant" action={add}>
            A customer, a subsidiary, a laboratory: each tenant is apart from the others.
          </Empty>
        }
      />
      {isNew ? (
        <NewTenant
          close={() => {
            make(false);
          }}
        />
      ) : null}
    </Page>
  );
}

function columns(members: ReadonlySet<string>, change: (tenant: string) => void): Column<Tenant>[] {
  return [
    {
      id: "name",
      title: "Name",
      width: "minmax(180px, 2fr)",
      isNarrow: true,
      cell: (tenant) => (
        <Group gap="xs" wrap="nowrap" component="span">
          <Name length={60}>{tenant.name}</Name>
          {tenant.current ? (
            <Badge variant="default" tt="none">
              you are here
            </Badge>
          ) : null}
        </Group>
      ),
    },
    { id: "id", title: "Id", width: "330px", cell: (tenant) => <code>{tenant.id}</code> },
    { id: "made", title: "Made", width: "140px", cell: (tenant) => <Time at={tenant.created_at} /> },
    {
      id: "do",
      title: "Do",
      width: "130px",
      isNarrow: true,
      cell: (tenant) =>
        members.has(tenant.id) && !tenant.current ? (
          <Button
            size="compact-sm"
            variant="default"
            aria-label={`Go to ${clip(inert(tenant.name), 60)}`}
            onClick={() => {
              change(tenant.id);
            }}
          >
            Go there
          </Button>
        ) : members.has(tenant.id) ? null : (
          <Text span size="xs" c="dimmed">
            not a member
          </Text>
        ),
    },
  ];
}

const EMPTY = { tenant: "", name: "", email: "" };

function NewTenant({ close }: { close: () => void }) {
  const [values, setValues] = useState(EMPTY);
  const [made, setMade] = useState<Schemas["MadeTenant"] | undefined>();
  if (made !== undefined) {
    return <ShownTicket title="The tenant is made" ticket={made.ticket} name={made.administrator.name} close={close} />;
  }
  const send = async () => {
    const { tenant, name, email } = values;
    const body = { name: tenant, administrator: { name, email: email.trim() } };
    setMade(await data(api.POST("/api/v1/tenants", { body })));
    void refresh("/api/v1/tenants");
    return "stay" as const;
  };
  const input = (key: keyof typeof EMPTY) => ({
    value: values[key],
    onChange: (event: React.ChangeEvent<HTMLInputElement>) => {
      const { value } = event.currentTarget;
      setValues((before) => ({ ...before, [key]: value }));
    },
  });
  return (
    <Ask title="New tenant" deed="Make the tenant" act={send} close={close}>
      {(field) => (
        <>
          <TextInput
            data-autofocus
            required
            label="Name"
            description="Unique on this server; part of the address of single sign-on."
            maxLength={100}
            error={field("name")}
            {...input("tenant")}
          />
          <TextInput
            required
            label="First administrator"
            maxLength={100}
            error={field("administrator.name")}
            {...input("name")}
          />
          <TextInput
            required
            type="email"
            label="Their e-mail address"
            description="They sign in with it, and set their password with the link that you are shown."
            maxLength={254}
            error={field("administrator.email")}
            {...input("email")}
          />
        </>
      )}
    </Ask>
  );
}
