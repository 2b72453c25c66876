/// What an activity event or a process consists of, field by field; foreign strings shown safely, digests to copy.

import { Group, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

import { Copy } from "../../../ui/Copy";
import { Name } from "../../../ui/Name";
import { Raw } from "../../../ui/Raw";
import { bytes } from "../../../ui/text";
import { Time } from "../../../ui/Time";
import type { Activity, Connection, Image, Process } from "../types";
import { exitWords } from "../words";

export type Row = [name: string, value: ReactNode];

/** A path or an address: whole, safe, to copy; with its bytes where they are no text. */
export function Long({ text, hex, label }: { text: string; hex?: string | null | undefined; label: string }) {
  return (
    <>
      <Group gap={2} wrap="nowrap" align="flex-start">
        <Text component="span" size="sm" style={{ overflowWrap: "anywhere" }}>
          <Name mono length={400}>
            {text}
          </Name>
        </Text>
        <Copy value={text} label={`Copy ${label}`} />
      </Group>
      {hex == null ? null : (
        <Text size="xs" c="var(--quell-warn)" style={{ overflowWrap: "anywhere" }}>
          Not text; its bytes:{" "}
          <Name mono length={120}>
            {hex}
          </Name>
          <Copy value={hex} label={`Copy the bytes of ${label}`} />
        </Text>
      )}
    </>
  );
}

export function Digest({ sha256 }: { sha256: string }) {
  return (
    <Group gap={2} wrap="nowrap">
      <Name mono length={24}>
        {sha256}
      </Name>
      <Copy value={sha256} label="Copy the SHA-256" />
    </Group>
  );
}

export function imageRows(image: Image): Row[] {
  return [
    ["Program", <Long key="path" text={image.path} hex={image.path_hex} label="the path" />],
    [
      "Unlike a file",
      image.in_memory
        ? "It lives in memory alone."
        : image.nameless
          ? "It has no name in any directory: it was deleted, or never had one."
          : undefined,
    ],
    ["SHA-256", image.sha256 == null ? undefined : <Digest key="sha" sha256={image.sha256} />],
    ["Package", image.package == null ? undefined : <Name key="package">{image.package}</Name>],
    ["Content of the package", image.copy_of == null ? undefined : <Name key="copy">{image.copy_of}</Name>],
    ["Size", image.size == null ? undefined : bytes(image.size)],
    [
      "Working directory",
      image.directory == null ? undefined : <Long key="dir" text={image.directory} label="the directory" />,
    ],
    [
      "Script",
      image.script == null ? undefined : (
        <Stack key="script" gap={0}>
          <Long text={image.script.path} hex={image.script.path_hex} label="the path of the script" />
          {image.script.sha256 == null ? null : <Digest sha256={image.script.sha256} />}
        </Stack>
      ),
    ],
    ["Terminal", image.terminal == null ? undefined : <Name key="terminal">{image.terminal}</Name>],
  ];
}

export function CommandLine({ image }: { image: Image }) {
  return (
    <Stack gap={4}>
      <Raw value={image.command_line} label="Command line" mah={180} />
      {image.arguments_cut ? (
        <Text size="xs" c="var(--quell-warn)">
          There were more arguments than an agent keeps.
        </Text>
      ) : null}
      {image.arguments_hex == null ? null : (
        <Raw value={image.arguments_hex.join("\n")} label="Arguments as bytes, hex: some are not text" mah={120} />
      )}
    </Stack>
  );
}

export function processRows(process: Process): Row[] {
  return [
    ["Process id", process.pid],
    ["User", process.user == null ? process.uid : <Who key="user" process={process} />],
    [
      "Logged in as",
      process.login_uid == null || process.login_uid === process.uid
        ? undefined
        : `user id ${String(process.login_uid)}`,
    ],
    ["Started", process.started_at == null ? undefined : <Time key="started" at={process.started_at} />],
    [
      "Ended",
      process.ended_at == null ? (
        process.image == null ? undefined : (
          "runs, as far as is known"
        )
      ) : (
        <span key="ended">
          <Time at={process.ended_at} />
          {exitWords(process.exit) === undefined ? "" : `, ${exitWords(process.exit) ?? ""}`}
        </span>
      ),
    ],
    [
      "Container",
      process.container == null ? undefined : (
        <Name key="container" mono length={40}>
          {process.container}
        </Name>
      ),
    ],
    ["PID namespace", process.pid_namespace ?? undefined],
    ["Before the recorder", process.from_before ? "It ran already: what it had done is not known." : undefined],
    ["Incomplete", process.incomplete ? "Some of this could not be read in time." : undefined],
    ["Its parent", placeWords(process.place)],
  ];
}

function Who({ process }: { process: Process }) {
  return (
    <>
      <Name length={60}>{process.user}</Name>
      {process.uid == null ? "" : ` (${String(process.uid)})`}
    </>
  );
}

/** What an odd place in the tree means. */
function placeWords(place: string): string | undefined {
  return {
    parent_unknown: "is not known",
    parent_absent: "is known, and not part of the chain",
    parent_impossible: "was told in a way that cannot be",
  }[place];
}

function ends({ inbound, local, local_port: localPort, remote, remote_port: remotePort }: Connection): Row[] {
  const local_ = local == null ? `port ${String(localPort)}` : `${address(local)}:${String(localPort)}`;
  const remote_ = remote == null ? undefined : `${address(remote)}:${String(remotePort)}`;
  return [
    [
      inbound ? "From" : "To",
      remote_ === undefined ? undefined : <Long key="remote" text={remote_} label="the address of the other end" />,
    ],
    ["On the endpoint", local_],
  ];
}

function address(text: string): string {
  return text.includes(":") ? `[${text}]` : text;
}

/** The fields of an event by its kind. */
export function deedRows(event: Activity): Row[] {
  const { image, file, connection, dns, login } = event;
  if (image != null) return imageRows(image);
  if (file != null) {
    return [
      ["File", <Long key="path" text={file.path} hex={file.path_hex} label="the path" />],
      [
        "Before",
        file.from == null ? undefined : (
          <Long key="from" text={file.from} hex={file.from_hex} label="the former path" />
        ),
      ],
      ["SHA-256", file.sha256 == null ? undefined : <Digest key="sha" sha256={file.sha256} />],
      ["Content of the package", file.copy_of == null ? undefined : <Name key="copy">{file.copy_of}</Name>],
      ["Size", bytes(file.size)],
      ["Mode", (file.mode & 0o7777).toString(8).padStart(4, "0")],
      [
        "Can be run",
        file.format == null ? undefined : ({ elf: "program (ELF)", script: "script" }[file.format] ?? file.format),
      ],
    ];
  }
  if (connection != null) {
    return [
      ...ends(connection),
      ["Protocol", connection.protocol],
      ["Direction", connection.remote == null ? "listens" : connection.inbound ? "the other end began it" : "outwards"],
      ["What became of it", connection.fate ?? undefined],
    ];
  }
  if (dns != null) {
    return [
      ["Name", <Long key="name" text={dns.name} label="the name" />],
      ["Type", dns.type],
      [
        "Answers",
        dns.answers.length === 0 ? (
          "not seen"
        ) : (
          <Name key="answers" mono length={300}>
            {dns.answers.join(", ")}
          </Name>
        ),
      ],
      ["Asked of", dns.server ?? undefined],
    ];
  }
  if (login != null) {
    return [
      ["User", <Name key="user">{login.user}</Name>],
      ["From", login.from == null ? undefined : <Name key="from">{login.from}</Name>],
      ["Terminal", login.terminal == null ? undefined : <Name key="terminal">{login.terminal}</Name>],
      ["Outcome", login.failed ? "refused" : "let in"],
    ];
  }
  return [];
}
