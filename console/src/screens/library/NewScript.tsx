/// A new script, or a new version of one: what is written, what changes, what it will be.

import { Alert, Button, FileButton, Group, Select, Stack, TextInput } from "@mantine/core";
import { IconFileUpload, IconInfoCircle } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState, type FormEvent } from "react";

import { $api, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { asApiError } from "../../api/problem";
import { refresh } from "../../api/query";
import { useFilters } from "../../app/url";
import { fieldsOf } from "../../form/fields";
import type { Schema } from "../../form/schema";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { Page } from "../../ui/Page";
import { Difference } from "./Code";
import { RUN } from "./run";
import { Editor, MOST, sizeOf, useDigest } from "./Editor";

type Version = Schemas["ScriptVersion"];

/** What a script can run in: as the catalogue has it for the action that runs them. */
function useInterpreters(): { value: string; label: string }[] {
  const action = $api.useQuery(
    "get",
    "/api/v1/actions/{id}",
    { params: { path: { id: RUN } } },
    { staleTime: Infinity },
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

/** `/library/new`, and with `?of=triage` the next version of that one. */
export default function NewScript() {
  const [{ of }] = useFilters();
  const script = $api.useQuery(
    "get",
    "/api/v1/scripts/{name}",
    { params: { path: { name: of ?? "" } } },
    { enabled: of !== undefined },
  );
  const newest = script.data?.versions[0]?.version;
  const version = $api.useQuery(
    "get",
    "/api/v1/scripts/{name}/versions/{version}",
    { params: { path: { name: of ?? "", version: newest ?? 0 } } },
    { enabled: newest !== undefined },
  );
  if (of === undefined) return <Form before={undefined} description="" />;
  const error = script.error ?? version.error;
  if (error !== null) return <Failure error={error} retry={() => void script.refetch()} />;
  if (version.data === undefined) return <Page title="New version">Reading…</Page>;
  return <Form before={version.data} description={script.data?.description ?? ""} />;
}

function Form({ before, description: given }: { before: Version | undefined; description: string }) {
  const me = useMe();
  const navigate = useNavigate();
  const [name, setName] = useState(before?.name ?? "");
  const [description, setDescription] = useState(given);
  const [chosen, setInterpreter] = useState<string | null>(before?.interpreter ?? null);
  const [body, setBody] = useState(before?.body ?? "");
  const digest = useDigest(body);
  const interpreters = useInterpreters();
  const interpreter = chosen ?? guess(body) ?? null;
  const add = $api.useMutation("post", "/api/v1/scripts", {
    onSuccess: async (made) => {
      void refresh("/api/v1/scripts");
      await navigate({
        to: `/library/${encodeURIComponent(made.name)}`,
        search: { version: String(made.version) } as never,
      });
    },
  });
  const problem = (field: string): { error?: string } => {
    const error = add.error === null ? undefined : asApiError(add.error).field(field);
    return error === undefined ? {} : { error };
  };
  const isSame = before !== undefined && body === before.body && interpreter === before.interpreter;
  const why =
    whyNot(me, "script.write") ??
    (isSame ? "Nothing is changed yet." : sizeOf(body) > MOST ? "The script is too large." : undefined);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (why !== undefined || interpreter === null) return;
    add.mutate({ body: { name, interpreter, body, ...(description === "" ? {} : { description }) } });
  };
  const read = async (file: File | null): Promise<void> => {
    if (file === null) return;
    setBody(await file.slice(0, MOST + 1).text());
    if (name === "") setName(file.name.replace(/\.[a-z0-9]+$/i, ""));
  };
  return (
    <Page
      title={before === undefined ? "New script" : `New version of ${before.name}`}
      about="A version is added and never changed. Running it is asked for, and approved, by its SHA-256."
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
          <Editor value={body} change={setBody} digest={digest} error={problem("body").error} />
          <Group gap="xs">
            <FileButton onChange={(file) => void read(file)}>
              {(props) => (
                <Button variant="default" size="xs" leftSection={<IconFileUpload size={14} aria-hidden />} {...props}>
                  Read from a file
                </Button>
              )}
            </FileButton>
          </Group>
          {before === undefined || isSame ? null : (
            <Difference
              before={before.body ?? ""}
              after={body}
              label={`What changes from version ${String(before.version)}`}
            />
          )}
          {before === undefined ? null : (
            <Alert variant="default" icon={<IconInfoCircle aria-hidden />} p="xs">
              Requests that name <b>{before.name}</b> without a version take this one from now on; what is asked for
              already stays as it is.
            </Alert>
          )}
          <Failure error={add.error} />
          <Group justify="flex-end">
            <Button
              variant="default"
              onClick={() =>
                void navigate({ to: before === undefined ? "/library" : `/library/${encodeURIComponent(before.name)}` })
              }
            >
              Cancel
            </Button>
            <Deed why={why} type="submit" loading={add.isPending}>
              {before === undefined ? "Add the script" : `Add version ${String(before.version + 1)}`}
            </Deed>
          </Group>
        </Stack>
      </form>
    </Page>
  );
}
