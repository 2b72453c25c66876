/// One script: its versions, what changed between them, where it ran.

import { Box, Group, Select, SegmentedControl, Skeleton, Stack, Text, Title, UnstyledButton } from "@mantine/core";
import { IconPlayerPlay, IconPlus } from "@tabler/icons-react";
import { useNavigate, useParams } from "@tanstack/react-router";

import { useAct } from "../../act/start";
import { $api, type Schemas } from "../../api/client";
import { holds, useMe, whyNot } from "../../api/me";
import { useFilters } from "../../app/url";
import { Copy } from "../../ui/Copy";
import { Deed } from "../../ui/Deed";
import { Facts } from "../../ui/Facts";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { Page } from "../../ui/Page";
import { bytes } from "../../ui/text";
import { Time } from "../../ui/Time";
import { Body, Difference } from "./Code";
import classes from "./Code.module.css";
import { RUN } from "./run";
import { Runs } from "./Runs";

type Script = Schemas["Script"];
type Version = Schemas["ScriptVersion"];

export default function ScriptPage() {
  const { name = "" } = useParams({ strict: false });
  const answer = $api.useQuery("get", "/api/v1/scripts/{name}", { params: { path: { name } } });
  if (answer.data === undefined) {
    return (
      <Page title={name}>
        {answer.error === null ? (
          <Skeleton h={320} />
        ) : (
          <Failure error={answer.error} retry={() => void answer.refetch()} />
        )}
      </Page>
    );
  }
  return <Shown script={answer.data} />;
}

function Shown({ script }: { script: Script }) {
  const me = useMe();
  const act = useAct();
  const navigate = useNavigate();
  const [search, set] = useFilters();
  const newest = script.versions[0];
  const version = script.versions.find((each) => String(each.version) === search["version"]) ?? newest;
  if (version === undefined) return <Page title={script.name}>This script has no version.</Page>;
  const older = script.versions.filter((each) => each.version !== version.version);
  const against = older.find((each) => String(each.version) === search["against"]);
  const pinned = version === newest ? script.name : `${script.name}@${String(version.version)}`;
  return (
    <Page
      title={script.name}
      about={<Name length={400}>{script.description}</Name>}
      actions={
        <>
          <Deed
            variant="default"
            why={whyNot(me, "script.write")}
            leftSection={<IconPlus size={16} aria-hidden />}
            onClick={() => void navigate({ to: "/library/new", search: { of: script.name } as never })}
          >
            New version
          </Deed>
          <Deed
            why={whyNot(me, "task.submit", RUN)}
            leftSection={<IconPlayerPlay size={16} aria-hidden />}
            onClick={() => {
              act({ action: RUN, params: { script: pinned } });
            }}
          >
            Run {version === newest ? "it" : `version ${String(version.version)}`}…
          </Deed>
        </>
      }
    >
      <Box className={classes.columns}>
        <Versions
          script={script}
          shown={version}
          choose={(next) => {
            set({ version: next === newest?.version ? undefined : String(next), against: undefined });
          }}
        />
        <Stack gap="md" miw={0}>
          <About version={version} pinned={pinned} />
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
                { value: "body", label: "Script" },
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
          {holds(me, "task.read") ? <Runs version={version} /> : null}
        </Stack>
      </Box>
    </Page>
  );
}

function Versions({ script, shown, choose }: { script: Script; shown: Version; choose: (version: number) => void }) {
  return (
    <Box component="nav" aria-label="Versions">
      <Title order={2} mb={6}>
        Versions
      </Title>
      <Box mah="62vh" style={{ overflowY: "auto" }}>
        {script.versions.map((each, index) => (
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
          </UnstyledButton>
        ))}
      </Box>
    </Box>
  );
}

function About({ version, pinned }: { version: Version; pinned: string }) {
  const command = `quell act endpoint run-script --script ${pinned} --endpoint NAME --reason TEXT --wait`;
  return (
    <Facts
      rows={[
        ["Version", version.version],
        ["Runs in", version.interpreter],
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
        [
          "By command",
          <Group key="command" gap={4} wrap="nowrap">
            <Text size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>
              {command}
            </Text>
            <Copy value={command} label="Copy the command" />
          </Group>,
        ],
      ]}
    />
  );
}

function useBody(version: Version | undefined) {
  const path = { name: version?.name ?? "", version: version?.version ?? 0 };
  return $api.useQuery(
    "get",
    "/api/v1/scripts/{name}/versions/{version}",
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
  if (against === undefined) return <Body text={now.data.body ?? ""} label={`Version ${String(version.version)}`} />;
  return (
    <Difference
      before={then.data?.body ?? ""}
      after={now.data.body ?? ""}
      label={`From version ${String(against.version)} to version ${String(version.version)}`}
    />
  );
}
