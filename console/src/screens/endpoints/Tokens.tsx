/// Enrolment tokens: what lets machines become endpoints, and how to end that.

import { Button, Text } from "@mantine/core";
import { IconArrowLeft, IconKey, IconPlus } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useMemo, useState } from "react";

import { $api, api, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { PAGED, usePages } from "../../api/pages";
import { refresh } from "../../api/query";
import { useFilters } from "../../app/url";
import { DataTable, type Column } from "../../ui/DataTable";
import { Deed } from "../../ui/Deed";
import { Empty } from "../../ui/Empty";
import { Name } from "../../ui/Name";
import { Page } from "../../ui/Page";
import { State } from "../../ui/State";
import { Sure } from "../../ui/Sure";
import { Time, useNow } from "../../ui/Time";
import { Tags } from "./columns";

const EnrolDialog = lazy(() => import("./EnrolDialog"));

type Token = Schemas["EnrolmentToken"];

function Standing({ token }: { token: Token }) {
  const now = useNow();
  if (token.revoked_at) return <State state="revoked" />;
  if (Date.parse(token.expires_at) <= now) return <State state="expired" />;
  if (token.uses >= token.max_uses) return <State state="succeeded" label="used up" />;
  return <State state="active" label="good" />;
}

function isGood(token: Token): boolean {
  return !token.revoked_at && Date.parse(token.expires_at) > Date.now() && token.uses < token.max_uses;
}

export default function Tokens() {
  const me = useMe();
  const [search, set] = useFilters();
  const [revoked, revoke] = useState<Token | null>(null);
  const pages = usePages(
    $api.useInfiniteQuery("get", "/api/v1/enrolment-tokens", { params: { query: { limit: 200 } } }, PAGED),
  );
  const why = whyNot(me, "token.manage");
  const columns = useMemo<Column<Token>[]>(
    () => [
      {
        id: "name",
        title: "Name",
        width: "minmax(140px, 2fr)",
        isNarrow: true,
        cell: (token) => <Name length={60}>{token.name}</Name>,
      },
      { id: "state", title: "State", width: "110px", isNarrow: true, cell: (token) => <Standing token={token} /> },
      {
        id: "uses",
        title: "Enrolled",
        width: "100px",
        cell: (token) => `${String(token.uses)} of ${String(token.max_uses)}`,
      },
      { id: "tags", title: "Tags", width: "minmax(120px, 1.4fr)", cell: (token) => <Tags tags={token.tags} /> },
      { id: "expires", title: "Ends", width: "130px", cell: (token) => <Time at={token.expires_at} /> },
      { id: "created", title: "Made", width: "130px", cell: (token) => <Time at={token.created_at} /> },
      { id: "by", title: "Made by", width: "minmax(120px, 1fr)", cell: (token) => <Name>{token.created_by}</Name> },
      {
        id: "revoke",
        title: "Revoke",
        width: "100px",
        isNarrow: true,
        cell: (token) =>
          isGood(token) ? (
            <Deed
              size="compact-sm"
              variant="default"
              why={why}
              onClick={() => {
                revoke(token);
              }}
            >
              Revoke…
            </Deed>
          ) : (
            "–"
          ),
      },
    ],
    [why],
  );
  const make = (
    <Deed
      why={why}
      leftSection={<IconPlus size={16} aria-hidden />}
      onClick={() => {
        set({ enrol: "new" });
      }}
    >
      Make a token
    </Deed>
  );
  return (
    <Page
      title="Enrolment tokens"
      about="What lets machines become endpoints. A token’s text is shown once, when it is made."
      actions={
        <>
          <Button
            component={Link}
            to="/endpoints"
            variant="default"
            leftSection={<IconArrowLeft size={16} aria-hidden />}
          >
            Endpoints
          </Button>
          {make}
        </>
      }
    >
      <DataTable
        label="Enrolment tokens"
        columns={columns}
        pages={pages}
        id={(token) => token.id}
        empty={
          <Empty icon={IconKey} title="No token was made" action={make}>
            A machine enrols with a token: it is good for some hours and for as many machines as you say. On the command
            line: <code>quell endpoints enrol-token --expires-in 1h</code>.
          </Empty>
        }
      />
      {revoked ? (
        <Sure
          title="Revoke the token"
          deed="Revoke it"
          act={async () => {
            await api.DELETE("/api/v1/enrolment-tokens/{id}", { params: { path: { id: revoked.id } } });
            await refresh("/api/v1/enrolment-tokens", "/api/v1/audit");
          }}
          close={() => {
            revoke(null);
          }}
        >
          <Text size="sm">
            <b>
              <Name>{revoked.name}</Name>
            </b>{" "}
            enrols no machine any more. The {String(revoked.uses)} that came with it stay. This cannot be taken back;
            make another token instead.
          </Text>
        </Sure>
      ) : null}
      <Suspense>
        {search["enrol"] === "new" && why === undefined ? (
          <EnrolDialog
            close={() => {
              set({ enrol: undefined });
            }}
          />
        ) : null}
      </Suspense>
    </Page>
  );
}
