/// One item of the library: its versions, what changed between them, what used it.

import {
  Alert,
  Anchor,
  Box,
  Group,
  Select,
  SegmentedControl,
  Skeleton,
  Stack,
  Text,
  Title,
  UnstyledButton,
} from "@mantine/core";
import { IconArchive, IconArchiveOff, IconPlayerPlay, IconPlus } from "@tabler/icons-react";
import { useNavigate, useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { useAct } from "../../act/start";
import { $api, type Schemas } from "../../api/client";
import { holds, useMe, whyNot } from "../../api/me";
import { refresh } from "../../api/query";
import { useFilters } from "../../app/url";
import { Copy } from "../../ui/Copy";
import { Deed } from "../../ui/Deed";
import { Facts } from "../../ui/Facts";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { Page } from "../../ui/Page";
import { bytes } from "../../ui/text";
import { Time } from "../../ui/Time";
import { Unread } from "../../ui/Unread";
import { Body, Difference } from "./Code";
import classes from "./Code.module.css";
import { InForce } from "./InForce";
import { KINDS, kindOf, knownOf } from "./kinds";
import { Runs } from "./Runs";

type Item = Schemas["LibraryItem"];
type Version = Schemas["LibraryVersion"];

/** Every action; none until they are read. */
function useActions(): Schemas["Action"][] {
  return $api.useQuery("get", "/api/v1/actions", {}, { staleTime: Infinity }).data ?? [];
}

export default function ItemPage() {
  const { kind = "", name = "" } = useParams({ strict: false });
  const answer = $api.useQuery("get", "/api/v1/library/{kind}/{name}", { params: { path: { kind, name } } });
  if (answer.data === undefined) {
    return (
      <Page title={name}>
        <Unread answer={answer}>
          <Skeleton h={320} />
        </Unread>
      </Page>
    );
  }
  return <Shown item={answer.data} />;
}

function Shown({ item }: { item: Item }) {
  const me = useMe();
  const act = useAct();
  const navigate = useNavigate();
  const [search, set] = useFilters();
  const isArchived = item.archived_at != null;
  const change = $api.useMutation("patch", "/api/v1/library/{kind}/{name}", {
    onSuccess: () => void refresh("/api/v1/library"),
  });
  const about = KINDS[kindOf(item.kind)];
  const actions = useActions();
  const versions = item.versions ?? [];
  const newest = versions[0];
  const version = versions.find((each) => String(each.version) === search["version"]) ?? newest;
  if (version === undefined) return <Page title={item.name}>It has no version.</Page>;
  const older = versions.filter((each) => each.version !== version.version);
  const against = older.find((each) => String(each.version) === search["against"]);
  const pinned = version === newest ? item.name : `${item.name}@${String(version.version)}`;
  const use = actions.some(({ id }) => id === about.use?.action) ? about.use : undefined;
  return (
    <Page
      title={item.name}
      about={<Name length={400}>{item.description}</Name>}
      actions={
        <>
          <Deed
            variant="default"
            why={whyNot(me, "library.write")}
            leftSection={isArchived ? <IconArchiveOff size={16} aria-hidden /> : <IconArchive size={16} aria-hidden />}
            loading={change.isPending}
            onClick={() => {
              change.mutate({
                params: { path: { kind: item.kind, name: item.name } },
                body: { archived: !isArchived },
              });
            }}
          >
            {isArchived ? "Put into use again" : "Archive"}
          </Deed>
          <Deed
            variant="default"
            why={
              whyNot(me, "library.write") ??
              (item.built_in
                ? "It comes with Quell: add yours under another name."
                : isArchived
                  ? "It is archived."
                  : undefined)
            }
            leftSection={<IconPlus size={16} aria-hidden />}
            onClick={() => void navigate({ to: "/library/new", search: { kind: item.kind, of: item.name } as never })}
          >
            New version
          </Deed>
          {use === undefined ? null : (
            <Deed
              why={whyNot(me, "task.submit", use.action) ?? (isArchived ? "It is archived." : undefined)}
              leftSection={<IconPlayerPlay size={16} aria-hidden />}
              onClick={() => {
                act({ action: use.action, params: { [use.param]: pinned } });
              }}
            >
              Use {version === newest ? "it" : `version ${String(version.version)}`}…
            </Deed>
          )}
        </>
      }
    >
      <Failure error={change.error} />
      {isArchived ? (
        <Alert variant="default" mb="md" icon={<IconArchive aria-hidden />}>
          Archived <Time at={item.archived_at} /> by <Name length={60}>{item.archived_by}</Name>:{" "}
          {about.use === undefined ? "it is named by nothing new." : "no new task names it."}
        </Alert>
      ) : null}
      <Box className={classes.columns}>
        <Versions
          versions={versions}
          shown={version}
          choose={(next) => {
            set({ version: next === newest?.version ? undefined : String(next), against: undefined });
          }}
        />
        <Stack gap="md" miw={0}>
          <About version={version} command={use === undefined ? undefined : commandOf(use, pinned)} />
          {about.isProtection === true ? <InForce item={item} version={version} /> : null}
          <Group gap="sm">
            <SegmentedControl
              size="xs"
              aria-label="What is shown"
              value={against === undefined ? "body" : "change"}
              disabled={older.length === 0}
              onChange={(next) => {
                const before = older.find((each) => each.version < version.version) ?? older[0];
                set({ against: next === "change" && before ? String(before.version) : undefined });
              }}
              data={[
                { value: "body", label: "Text" },
                { value: "change", label: "What changed" },
              ]}
            />
            {against === undefined ? null : (
              <Group gap={6}>
                <Text size="sm">since version</Text>
                <Select
                  size="xs"
                  w={90}
                  aria-label="Version to compare with"
                  allowDeselect={false}
                  data={older.map((each) => String(each.version))}
                  value={String(against.version)}
                  onChange={(next) => {
                    set({ against: next ?? undefined });
                  }}
                />
              </Group>
            )}
          </Group>
          <Content version={version} against={against} />
          {use !== undefined && holds(me, "task.read") ? <Runs version={version} /> : null}
        </Stack>
      </Box>
    </Page>
  );
}

type VersionsProps = { versions: Version[]; shown: Version; choose: (version: number) => void };

function Versions({ versions, shown, choose }: VersionsProps) {
  return (
    <Box component="nav" aria-label="Versions">
      <Title order={2} mb={6}>
        Versions
      </Title>
      <Box mah="62vh" style={{ overflowY: "auto" }}>
        {versions.map((each, index) => (
          <UnstyledButton
            key={each.version}
            className={classes.version}
            aria-current={each.version === shown.version}
            onClick={() => {
              choose(each.version);
            }}
          >
            <Text size="sm" fw={600}>
              {each.version}
              {index === 0 ? " · newest" : ""}
            </Text>
            <Text size="xs" c="dimmed" component="div">
              <Time at={each.created_at} /> · <Name length={40}>{each.created_by}</Name>
            </Text>
            {each.note === "" ? null : (
              <Text size="xs" component="div">
                <Name length={120}>{each.note}</Name>
              </Text>
            )}
          </UnstyledButton>
        ))}
      </Box>
    </Box>
  );
}

function commandOf(use: { action: string; param: string }, pinned: string): string {
  const verb = use.action.replace(".", " ").replaceAll("_", "-");
  return `quell act ${verb} --${use.param.replaceAll("_", "-")} ${pinned} --endpoint NAME --reason TEXT --wait`;
}

function About({ version, command }: { version: Version; command: string | undefined }) {
  return (
    <Facts
      rows={[
        ["Version", version.version],
        ...(knownOf(version.facts) === ""
          ? []
          : ([["In it", <Name key="known">{knownOf(version.facts)}</Name>]] as [string, ReactNode][])),
        ...(version.note === "" ? [] : ([["Note", <Name key="note">{version.note}</Name>]] as [string, ReactNode][])),
        ["Size", bytes(version.size)],
        [
          "SHA-256",
          <Group key="digest" gap={4} wrap="nowrap">
            <Text size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>
              {version.sha256}
            </Text>
            <Copy value={version.sha256} label="Copy the SHA-256" />
          </Group>,
        ],
        [
          "Added",
          <span key="added">
            <Time at={version.created_at} /> by <Name length={60}>{version.created_by}</Name>
          </span>,
        ],
        ...(command === undefined
          ? []
          : ([
              [
                "By command",
                <Group key="command" gap={4} wrap="nowrap">
                  <Text size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>
                    {command}
                  </Text>
                  <Copy value={command} label="Copy the command" />
                </Group>,
              ],
            ] as [string, ReactNode][])),
      ]}
    />
  );
}

function useBody(version: Version | undefined) {
  const path = { kind: version?.kind ?? "", name: version?.name ?? "", version: version?.version ?? 0 };
  return $api.useQuery(
    "get",
    "/api/v1/library/{kind}/{name}/versions/{version}",
    { params: { path } },
    // A version is never changed.
    { enabled: version !== undefined, staleTime: Infinity },
  );
}

function Content({ version, against }: { version: Version; against: Version | undefined }) {
  const now = useBody(version);
  const then = useBody(against);
  const error = now.error ?? then.error;
  if (error !== null) return <Failure error={error} retry={() => void now.refetch()} />;
  if (now.data === undefined || (against !== undefined && then.data === undefined)) return <Skeleton h={240} />;
  if (now.data.body == null || (against !== undefined && then.data?.body == null)) {
    const { kind, name } = version;
    return (
      <Text size="sm">
        It is no text, or too large to be shown here.{" "}
        <Anchor
          href={`/api/v1/library/${kind}/${encodeURIComponent(name)}/versions/${String(version.version)}/content`}
          download
        >
          Download it ({bytes(version.size)})
        </Anchor>
      </Text>
    );
  }
  if (against === undefined) return <Body text={now.data.body ?? ""} label={`Version ${String(version.version)}`} />;
  return (
    <Difference
      before={then.data?.body ?? ""}
      after={now.data.body ?? ""}
      label={`From version ${String(against.version)} to version ${String(version.version)}`}
    />
  );
}
