/// Something new for the library, or a new version of it: what is written or uploaded, what changes, what it will be.

import { Alert, Button, FileButton, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconCircleCheck, IconFileUpload, IconInfoCircle } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState, type FormEvent } from "react";

import { $api, api, data, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { asApiError } from "../../api/problem";
import { refresh } from "../../api/query";
import { useFilters } from "../../app/url";
import { fieldsOf } from "../../form/fields";
import type { Schema } from "../../form/schema";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { Page } from "../../ui/Page";
import { bytes } from "../../ui/text";
import { Difference } from "./Code";
import { Editor, sizeOf, useDigest, type Fault } from "./Editor";
import { KINDS, kindOf, knownOf, type Kind } from "./kinds";

type Version = Schemas["LibraryVersion"];

/** Longer texts are uploaded without being shown: an editor of a browser does not hold them well. */
const WRITTEN = 1024 * 1024;

/** A body that is sent as it is. */
function raw(body: Blob): { body: never; bodySerializer: (body: unknown) => Blob; headers: Record<string, string> } {
  return {
    body: body as never,
    bodySerializer: (given) => given as Blob,
    headers: { "Content-Type": "application/octet-stream" },
  };
}

/** What a script can run in: as the catalogue has it for the action that runs them. */
function useInterpreters(kind: Kind): { value: string; label: string }[] {
  const id = KINDS.script.use?.action ?? "";
  const action = $api.useQuery(
    "get",
    "/api/v1/actions/{id}",
    { params: { path: { id } } },
    { enabled: kind === "script", staleTime: Infinity },
  );
  return useMemo(() => {
    const field = fieldsOf((action.data?.params_schema ?? {}) as Schema).find(({ name }) => name === "interpreter");
    if (field?.kind !== "choice") return [];
    return field.options.map(({ value, label, help }) => ({ value, label: help?.replace(/[.`]/g, "") ?? label }));
  }, [action.data]);
}

/** What its first line says that runs it. */
export function guess(body: string): string | undefined {
  const line = /^#!\s*(\S+)(?:\s+(\S+))?/.exec(body);
  const program = (line?.[1]?.endsWith("/env") === true ? line[2] : line?.[1])?.split("/").at(-1) ?? "";
  if (/^python[\d.]*$/.test(program)) return "python";
  if (program === "pwsh") return "powershell";
  return { bash: "bash", sh: "sh", dash: "sh" }[program];
}

/** `/library/new?kind=yara`, and with `&of=name` the next version of that one. */
export default function NewVersion() {
  const [{ of, kind: named }] = useFilters();
  const kind = kindOf(named);
  const item = $api.useQuery(
    "get",
    "/api/v1/library/{kind}/{name}",
    { params: { path: { kind, name: of ?? "" } } },
    { enabled: of !== undefined },
  );
  const newest = item.data?.latest?.version;
  const version = $api.useQuery(
    "get",
    "/api/v1/library/{kind}/{name}/versions/{version}",
    { params: { path: { kind, name: of ?? "", version: newest ?? 0 } } },
    { enabled: newest !== undefined },
  );
  if (of === undefined) return <Form key={kind} kind={kind} before={undefined} description="" />;
  const error = item.error ?? version.error;
  if (error !== null) return <Failure error={error} retry={() => void item.refetch()} />;
  if (version.data === undefined) return <Page title="New version">Reading…</Page>;
  return <Form kind={kind} before={version.data} description={item.data?.description ?? ""} />;
}

function interpreterOf(version: Version | undefined): string | null {
  const said = (version?.facts as { interpreter?: unknown } | undefined)?.interpreter;
  return typeof said === "string" ? said : null;
}

type FormProps = { kind: Kind; before: Version | undefined; description: string };

function Form({ kind, before, description: given }: FormProps) {
  const about = KINDS[kind];
  const me = useMe();
  const navigate = useNavigate();
  const [name, setName] = useState(before?.name ?? "");
  const [description, setDescription] = useState(given);
  const [note, setNote] = useState("");
  const [chosen, setInterpreter] = useState<string | null>(interpreterOf(before));
  const [text, setText] = useState(before?.body ?? "");
  const [file, setFile] = useState<File | undefined>();
  const digest = useDigest(text);
  const interpreters = useInterpreters(kind);
  const interpreter = kind === "script" ? (chosen ?? guess(text) ?? null) : null;
  const body = (): Blob => file ?? new Blob([text]);
  const add = useMutation({
    mutationFn: async () => {
      const query = { description, note, ...(interpreter === null ? {} : { interpreter }) };
      const asked = { params: { path: { kind, name }, query }, ...raw(body()) };
      return await data<Version>(api.POST("/api/v1/library/{kind}/{name}/versions", asked));
    },
    onSuccess: async (made) => {
      void refresh("/api/v1/library");
      await navigate({
        to: `/library/${kind}/${encodeURIComponent(made.name)}`,
        search: { version: String(made.version) } as never,
      });
    },
  });
  const check = useMutation({
    mutationFn: async () => {
      const asked = { params: { path: { kind } }, ...raw(body()) };
      return await data(api.POST("/api/v1/library/{kind}/check", asked));
    },
  });
  const failed = add.error ?? check.error;
  const problem = (field: string): { error?: string } => {
    const error = add.error === null ? undefined : asApiError(add.error).field(field);
    return error === undefined ? {} : { error };
  };
  const faults: Fault[] =
    failed === null ? [] : (asApiError(failed).problem?.fields ?? []).filter(({ field }) => field === "body");
  const isSame =
    before !== undefined && file === undefined && text === before.body && interpreter === interpreterOf(before);
  const size = file?.size ?? sizeOf(text);
  const why =
    whyNot(me, "library.write") ??
    (isSame ? "Nothing is changed yet." : size > about.most ? "It is too large." : undefined);
  const forget = (): void => {
    add.reset();
    check.reset();
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (why !== undefined || (kind === "script" && interpreter === null)) return;
    check.reset();
    add.mutate();
  };
  const read = async (next: File | null): Promise<void> => {
    if (next === null) return;
    forget();
    if (name === "") setName(next.name.replace(/\.[a-z0-9]+$/i, ""));
    if (about.isText && next.size <= WRITTEN) {
      setFile(undefined);
      setText(await next.text());
    } else setFile(next);
  };
  return (
    <Page
      title={before === undefined ? `New ${about.one}` : `New version of ${before.name}`}
      about={
        about.use === undefined
          ? "A version is added and never changed. What takes it names it."
          : "A version is added and never changed. What takes it is asked for, and approved, by its SHA-256."
      }
    >
      <form onSubmit={submit}>
        <Stack gap="md" maw={960}>
          <Group gap="md" align="flex-start">
            <TextInput
              label="Name"
              description="Letters, digits, “.”, “_” and “-”."
              required
              readOnly={before !== undefined}
              maxLength={100}
              pattern="[A-Za-z0-9][A-Za-z0-9._\-]*"
              value={name}
              spellCheck={false}
              autoComplete="off"
              style={{ flex: "1 1 240px" }}
              onChange={(event) => {
                setName(event.currentTarget.value);
              }}
              {...problem("name")}
            />
            {kind === "script" ? (
              <Select
                label="Runs in"
                description="Taken from the first line where it says so."
                required
                data={interpreters}
                value={interpreter}
                placeholder="Choose"
                style={{ flex: "1 1 240px" }}
                onChange={setInterpreter}
                {...problem("interpreter")}
              />
            ) : null}
          </Group>
          {before === undefined ? (
            <TextInput
              label="What it is for"
              description="Kept from the first version."
              maxLength={1000}
              value={description}
              onChange={(event) => {
                setDescription(event.currentTarget.value);
              }}
              {...problem("description")}
            />
          ) : null}
          <TextInput
            label="Note"
            description="Why this version is added."
            maxLength={1000}
            value={note}
            onChange={(event) => {
              setNote(event.currentTarget.value);
            }}
            {...problem("note")}
          />
          {file === undefined && about.isText ? (
            <Editor
              label={kind === "script" ? "Script" : "Text"}
              description={
                kind === "script"
                  ? "Starts as the endpoint's agent, with its rights. Arguments come as $1, $2 and so on, never through a shell."
                  : about.about
              }
              value={text}
              change={(next) => {
                forget();
                setText(next);
              }}
              digest={digest}
              faults={faults}
              most={about.most}
            />
          ) : (
            <Text size="sm">
              {file === undefined ? (
                `Choose the file of the ${about.one}.`
              ) : (
                <>
                  <Name length={80}>{file.name}</Name>, {bytes(file.size)}
                </>
              )}
            </Text>
          )}
          <Group gap="xs">
            <FileButton accept={about.files} onChange={(next) => void read(next)}>
              {(props) => (
                <Button variant="default" size="xs" leftSection={<IconFileUpload size={14} aria-hidden />} {...props}>
                  Read from a file
                </Button>
              )}
            </FileButton>
            <Button
              variant="default"
              size="xs"
              disabled={size === 0}
              loading={check.isPending}
              onClick={() => {
                add.reset();
                check.mutate();
              }}
            >
              Check it
            </Button>
            {check.data === undefined ? null : (
              <Group gap={4} role="status">
                <IconCircleCheck size={16} aria-hidden color="var(--quell-ok)" />
                <Text size="sm">
                  The library would take it{knownOf(check.data.facts) === "" ? "." : `: ${knownOf(check.data.facts)}.`}
                </Text>
              </Group>
            )}
          </Group>
          {before?.body == null || isSame || file !== undefined ? null : (
            <Difference
              before={before.body}
              after={text}
              label={`What changes from version ${String(before.version)}`}
            />
          )}
          {before === undefined ? null : (
            <Alert variant="default" icon={<IconInfoCircle aria-hidden />} p="xs">
              {about.use === undefined ? (
                <>
                  Protection stays with the version of <b>{before.name}</b> that is set there, until somebody sets this
                  one.
                </>
              ) : (
                <>
                  Requests that name <b>{before.name}</b> without a version take this one from now on; what is asked for
                  already stays as it is.
                </>
              )}
            </Alert>
          )}
          <Failure error={failed} />
          <Group justify="flex-end">
            <Button
              variant="default"
              onClick={() =>
                void navigate(
                  before === undefined
                    ? { to: "/library", search: { kind } as never }
                    : { to: `/library/${kind}/${encodeURIComponent(before.name)}` },
                )
              }
            >
              Cancel
            </Button>
            <Deed why={why} type="submit" loading={add.isPending}>
              {before === undefined ? `Add the ${about.one}` : `Add version ${String(before.version + 1)}`}
            </Deed>
          </Group>
        </Stack>
      </form>
    </Page>
  );
}
