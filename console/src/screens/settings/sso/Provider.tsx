/// One identity provider: its addresses, its settings, a way to try it.

import { Anchor, Stack, Text } from "@mantine/core";
import { IconExternalLink } from "@tabler/icons-react";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";

import { $api, api } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { refresh } from "../../../api/query";
import { Copy } from "../../../ui/Copy";
import { Deed } from "../../../ui/Deed";
import { Facts } from "../../../ui/Facts";
import { Name } from "../../../ui/Name";
import { Page } from "../../../ui/Page";
import { Section } from "../../../ui/Section";
import { State } from "../../../ui/State";
import { Sure } from "../../../ui/Sure";
import { Unread } from "../../../ui/Unread";
import { inert } from "../../../ui/text";
import { RoleName, useRoleNames } from "../roles/names";
import { ProviderForm } from "./ProviderForm";
import { wanted, type IdentityProvider } from "./wanted";

export default function Provider() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  return id === "new" ? <New /> : <Known id={id} />;
}

function New() {
  const navigate = useNavigate();
  return (
    <Page
      title="Add an identity provider"
      about="At the provider, make a confidential OpenID Connect client with the authorization code flow; its redirect URI is this server’s address followed by /api/v1/sso/callback."
    >
      <ProviderForm
        done={(id) => void navigate({ to: `/settings/sso/${id}` })}
        cancel={() => void navigate({ to: "/settings/sso" })}
      />
    </Page>
  );
}

function Known({ id }: { id: string }) {
  const provider = $api.useQuery("get", "/api/v1/sso/providers/{id}", { params: { path: { id } } });
  if (provider.data === undefined || provider.error !== null)
    return <Unread answer={provider} label="Reading the provider" m="xl" />;
  return <One provider={provider.data} />;
}

function One({ provider }: { provider: IdentityProvider }) {
  const me = useMe();
  const navigate = useNavigate();
  const [shown, show] = useState<"edit" | "off" | "remove" | undefined>();
  const why = whyNot(me, "sso.manage");
  const close = (): void => {
    show(undefined);
  };
  const isActive = provider.state === "active";
  const put = async (enabled: boolean): Promise<void> => {
    const body = { ...wanted(provider), enabled };
    await api.PUT("/api/v1/sso/providers/{id}", { params: { path: { id: provider.id } }, body });
    await refresh("/api/v1/sso");
  };
  if (shown === "edit") {
    return (
      <Page title={`Change ${inert(provider.name)}`}>
        <ProviderForm provider={provider} done={close} cancel={close} />
      </Page>
    );
  }
  const button = (what: "edit" | "off" | "remove", label: string) => (
    <Deed
      variant="default"
      why={why}
      onClick={() => {
        show(what);
      }}
    >
      {label}
    </Deed>
  );
  return (
    <Page
      title={provider.name}
      about={<Name length={200}>{provider.issuer}</Name>}
      actions={
        <>
          {button("edit", "Change")}
          {isActive ? (
            button("off", "Switch off")
          ) : (
            <Deed variant="default" why={why} onClick={() => void put(true)}>
              Switch on
            </Deed>
          )}
          {button("remove", "Remove")}
        </>
      }
    >
      <Stack gap="md">
        <Section
          title="Addresses"
          about="Try it in a private window: here you would be signed in as somebody else."
          actions={
            isActive ? (
              <Anchor href={provider.start_url} target="_blank" rel="noreferrer" size="sm">
                Try the sign-in <IconExternalLink size={14} aria-hidden style={{ verticalAlign: "-2px" }} />
              </Anchor>
            ) : null
          }
        >
          <Facts
            rows={[
              ["State", <State key="state" state={provider.state} />],
              ["People sign in at", <Address key="start" value={provider.start_url} />],
              ["Redirect URI, for the provider", <Address key="redirect" value={provider.redirect_uri} />],
              ["On the sign-in page", provider.offered ? "named to everybody" : "not named"],
            ]}
          />
        </Section>
        <Section title="Client">
          <Facts
            rows={[
              ["Client id", <Name key="client">{provider.client_id}</Name>],
              ["Secret", provider.has_secret ? "kept, never shown" : "none: a public client"],
              ["Scopes", <Name key="scopes">{provider.scopes.join(" ")}</Name>],
              ["Only addresses of", provider.domains.length === 0 ? "any domain" : inert(provider.domains.join(", "))],
              [
                "Unknown people",
                provider.make_accounts ? "get an account, if a group gives them a role" : "are not let in",
              ],
              ["Unverified addresses", provider.trust_email ? "count" : "do not count"],
            ]}
          />
        </Section>
        <Mapping provider={provider} />
      </Stack>
      {shown === "off" ? (
        <Sure title="Switch the provider off" deed="Switch off" act={() => put(false)} close={close}>
          <Text size="sm">
            Nobody signs in through <Name length={40}>{provider.name}</Name> any more. Sessions that are open stay.
            Switching it on again lets people in as before.
          </Text>
        </Sure>
      ) : null}
      {shown === "remove" ? (
        <Sure
          title="Remove the provider"
          deed="Remove"
          typed={provider.name}
          close={close}
          act={async () => {
            await api.DELETE("/api/v1/sso/providers/{id}", { params: { path: { id: provider.id } } });
            void navigate({ to: "/settings/sso" });
            await refresh("/api/v1/sso");
          }}
        >
          <Text size="sm">
            The roles that groups of <Name length={40}>{provider.name}</Name> gave are taken at once, and who came
            through it is forgotten as its subject. This cannot be taken back.
          </Text>
        </Sure>
      ) : null}
    </Page>
  );
}

function Address({ value }: { value: string }) {
  if (value === "") return "unknown: start the server with --public-url";
  return (
    <span>
      <code>{value}</code> <Copy value={value} />
    </span>
  );
}

function Mapping({ provider }: { provider: IdentityProvider }) {
  const names = useRoleNames();
  return (
    <Section
      title="Groups and roles"
      about={`Read from the claim “${inert(provider.group_claim)}”. A group that is not named gives nothing.`}
    >
      {provider.mapping.length === 0 ? (
        <Text size="sm">No group gives a role: nobody is let in who has none by hand.</Text>
      ) : (
        <Facts
          rows={provider.mapping.map((entry) => [
            inert(entry.group),
            <RoleName key={`${entry.group} ${entry.role}`} names={names}>
              {entry.role}
            </RoleName>,
          ])}
        />
      )}
    </Section>
  );
}
