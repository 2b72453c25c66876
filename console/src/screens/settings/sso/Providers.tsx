/// Identity providers: how people of the organisation come in.

import { IconFingerprint, IconPlus } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";

import { $api, type Schemas } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { PAGED, usePages } from "../../../api/pages";
import { DataTable, type Column } from "../../../ui/DataTable";
import { Deed } from "../../../ui/Deed";
import { Empty } from "../../../ui/Empty";
import { Name } from "../../../ui/Name";
import { Page } from "../../../ui/Page";
import { State } from "../../../ui/State";
import { Time } from "../../../ui/Time";
import { clip, count, inert } from "../../../ui/text";

type Provider = Schemas["IdentityProvider"];

const columns: Column<Provider>[] = [
  {
    id: "name",
    title: "Name",
    width: "minmax(130px, 1fr)",
    isNarrow: true,
    cell: (provider) => <Name length={40}>{provider.name}</Name>,
  },
  {
    id: "issuer",
    title: "Issuer",
    width: "minmax(220px, 3fr)",
    cell: (provider) => <Name length={100}>{provider.issuer}</Name>,
  },
  {
    id: "state",
    title: "State",
    width: "120px",
    isNarrow: true,
    cell: (provider) => <State state={provider.state} />,
  },
  {
    id: "groups",
    title: "Groups",
    width: "110px",
    cell: (provider) => count(provider.mapping.length, "group"),
  },
  {
    id: "accounts",
    title: "Makes accounts",
    width: "140px",
    cell: (provider) => (provider.make_accounts ? "yes" : "no"),
  },
  {
    id: "offered",
    title: "On the sign-in page",
    width: "160px",
    cell: (provider) => (provider.offered ? "yes" : "no"),
  },
  { id: "changed", title: "Changed", width: "130px", cell: (provider) => <Time at={provider.updated_at} /> },
];

export default function Providers() {
  const me = useMe();
  const navigate = useNavigate();
  const pages = usePages<Provider>(
    $api.useInfiniteQuery("get", "/api/v1/sso/providers", { params: { query: { limit: 100 } } }, PAGED),
  );
  const add = (
    <Deed
      leftSection={<IconPlus size={16} aria-hidden />}
      why={whyNot(me, "sso.manage")}
      onClick={() => void navigate({ to: "/settings/sso/new" })}
    >
      Add a provider
    </Deed>
  );
  return (
    <Page
      title="Single sign-on"
      about="Identity providers (OpenID Connect). Roles follow the groups that a provider names, at each sign-in."
      actions={add}
    >
      <DataTable
        label="Identity providers"
        columns={columns}
        pages={pages}
        id={(provider) => provider.id}
        to={(provider) => `/settings/sso/${provider.id}`}
        name={(provider) => clip(inert(provider.name), 60)}
        empty={
          <Empty icon={IconFingerprint} title="No provider" action={add}>
            With Keycloak, Entra ID, Okta or another provider people sign in as everywhere else, and leave when they
            leave the organisation. Keep one administrator with a password and a passkey of their own, for the day on
            which the provider is away.
          </Empty>
        }
      />
    </Page>
  );
}
