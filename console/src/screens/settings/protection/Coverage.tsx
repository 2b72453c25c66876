/// Where the protection holds, and what agents say of how they record and which rules they do not take.

import { Anchor, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { Facts } from "../../../ui/Facts";
import { Name } from "../../../ui/Name";
import { Section } from "../../../ui/Section";
import { SmallTable } from "../../../ui/SmallTable";
import { count, words } from "../../../ui/text";
import { sourceWords } from "../../incidents/words";
import type { Titles } from "./settings";
import type { Protection } from "./useProtection";

type Props = { protection: Protection; titles: Titles };

export function Coverage({ protection, titles }: Props) {
  const { endpoints } = protection;
  const lost = Object.entries(endpoints.lost);
  return (
    <Stack gap="md">
      <Section title="Where it holds" about="What agents said last. One that is away keeps what it had.">
        <Facts
          rows={[
            ["In force", `on ${String(endpoints.current)} of ${count(endpoints.total, "endpoint")}`],
            ["Behind or away", endpoints.behind === 0 ? "none" : count(endpoints.behind, "endpoint")],
            ["Agents that take none", endpoints.takes_none === 0 ? undefined : count(endpoints.takes_none, "endpoint")],
            [
              "Recording",
              endpoints.recording < endpoints.total && protection.settings.record ? (
                <Text key="recording" size="sm" c="var(--quell-warn)">
                  {endpoints.recording} of {count(endpoints.total, "endpoint")}: the page of an endpoint says why not
                </Text>
              ) : (
                count(endpoints.recording, "endpoint")
              ),
            ],
            [
              "Cannot prevent",
              endpoints.cannot_prevent === 0
                ? undefined
                : `${count(endpoints.cannot_prevent, "endpoint")}: there “prevent” means “detect”`,
            ],
            [
              "Lost since their start",
              lost.length === 0
                ? "nothing"
                : lost.map(([kind, number]) => `${number.toLocaleString("en")} ${words(kind)}`).join(", "),
            ],
            [
              "Came and went",
              endpoints.vanished_files === 0
                ? undefined
                : `${count(endpoints.vanished_files, "file")}, with their directory, before anybody could look at them`,
            ],
            [
              "By version",
              endpoints.versions.map((each) => `${String(each.version)}: ${String(each.endpoints)}`).join(" · "),
            ],
          ]}
        />
      </Section>
      <Laggards protection={protection} />
      <Refused protection={protection} titles={titles} />
      <Means protection={protection} />
    </Stack>
  );
}

/** Endpoints in which it is not in force. */
function Laggards({ protection }: { protection: Protection }) {
  const { laggards, total, current } = protection.endpoints;
  if (laggards.length === 0) return null;
  const rest = total - current - laggards.length;
  return (
    <Section title="Not in force there">
      <SmallTable
        label="Endpoints in which it is not in force"
        columns={[
          {
            title: "Endpoint",
            cell: (row) => (
              <Anchor component={Link} to={`/endpoints/${row.id}`} size="sm">
                <Name length={60}>{row.name}</Name>
              </Anchor>
            ),
          },
          { title: "Connected", cell: (row) => (row.connected ? "yes" : "no") },
          {
            title: "In force there",
            cell: (row) =>
              row.takes_none
                ? "its agent takes none"
                : row.version == null || row.version === 0
                  ? "none that it told of"
                  : `version ${String(row.version)}`,
          },
        ]}
        rows={laggards}
        of={(row) => row.id}
        minWidth={360}
      />
      {rest > 0 ? (
        <Text size="sm" c="dimmed">
          … and {count(rest, "other")}
        </Text>
      ) : null}
    </Section>
  );
}

function Refused({ protection, titles }: Props) {
  const { refused } = protection.endpoints;
  if (refused.length === 0) return null;
  return (
    <Section title="Rules that agents do not take" about="They may be older than the server.">
      <SmallTable
        label="Rules that agents do not take"
        columns={[
          {
            title: "Rule",
            cell: (row) => <Name length={100}>{row.rule === "" ? "all of them" : titles(row.rule)}</Name>,
          },
          { title: "Source", cell: (row) => <Name length={40}>{sourceWords(row.source)}</Name> },
          { title: "Why", cell: (row) => <Name length={160}>{row.problem}</Name> },
          { title: "Endpoints", cell: (row) => row.endpoints },
        ]}
        rows={refused}
        of={(row) => `${row.source} ${row.rule} ${row.problem}`}
        minWidth={480}
      />
    </Section>
  );
}

function Means({ protection }: { protection: Protection }) {
  const { sources } = protection.endpoints;
  if (sources.length === 0) return null;
  return (
    <Section title="By what means activity is recorded">
      <SmallTable
        label="By what means activity is recorded"
        columns={[
          { title: "Activity", cell: (row) => <Name length={40}>{words(row.activity)}</Name> },
          {
            title: "Means",
            cell: (row) =>
              row.means === "" ? (
                <Text size="sm" c="var(--quell-warn)">
                  not recorded
                </Text>
              ) : (
                <Name length={40}>{row.means}</Name>
              ),
          },
          { title: "Why no better", cell: (row) => <Name length={160}>{row.why}</Name> },
          { title: "Endpoints", cell: (row) => row.endpoints },
        ]}
        rows={sources}
        of={(row) => `${row.activity} ${row.means} ${row.why ?? ""}`}
        minWidth={480}
      />
    </Section>
  );
}
