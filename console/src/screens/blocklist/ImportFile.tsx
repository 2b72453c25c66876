/// A file of indicators, looked at by the server before anything is listed: what is understood, what is not, by line.

import { Button, FileButton, Group, List, Stack, Text, Textarea, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";

import { useAct } from "../../act/start";
import { api, data, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { refresh } from "../../api/query";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { SmallTable } from "../../ui/SmallTable";
import { count } from "../../ui/text";

type Checked = Schemas["CheckedIndicators"];

function raw(body: Blob): { body: never; bodySerializer: (body: unknown) => Blob; headers: Record<string, string> } {
  return {
    body: body as never,
    bodySerializer: (given) => given as Blob,
    headers: { "Content-Type": "application/octet-stream" },
  };
}

/** A name that the library takes, of the day and the hour. */
function named(): string {
  return `import-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}`;
}

export function ImportFile() {
  const me = useMe();
  const act = useAct();
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const [file, setFile] = useState<File | undefined>();
  const body = (): Blob => file ?? new Blob([text]);
  const check = useMutation({
    mutationFn: async () => await data<Checked>(api.POST("/api/v1/blocklist/check", raw(body()))),
  });
  const add = useMutation({
    mutationFn: async () => {
      const name = named();
      const asked = {
        params: { path: { kind: "indicators", name }, query: { description: "", note: "" } },
        ...raw(body()),
      };
      return await data<Schemas["LibraryVersion"]>(api.POST("/api/v1/library/{kind}/{name}/versions", asked));
    },
    onSuccess: (made) => {
      void refresh("/api/v1/library");
      act({ action: "blocklist.add", params: { list: `${made.name}@${String(made.version)}` } });
    },
  });
  const forget = (): void => {
    check.reset();
    add.reset();
  };
  const isEmpty = file === undefined && text.trim() === "";
  const found = check.data;
  const why =
    whyNot(me, "library.write") ??
    whyNot(me, "task.submit", "blocklist.add") ??
    (found === undefined
      ? "Look at it first."
      : found.objects === 0
        ? "It names nothing that can be listed."
        : undefined);
  return (
    <Stack gap="md" maw={960}>
      <Text size="sm">
        One value a line, CSV with a header (<code>value,kind,action,risk,expires_in_days,note</code>), or a STIX 2.1
        bundle. <code>hxxp</code> and <code>[.]</code> are understood. The file goes into the library, so that what is
        approved is that very file.
      </Text>
      <Group gap="sm">
        <FileButton
          onChange={(next) => {
            forget();
            setFile(next ?? undefined);
          }}
        >
          {(props) => (
            <Button variant="default" {...props}>
              Choose a file
            </Button>
          )}
        </FileButton>
        {file === undefined ? null : (
          <>
            <Name length={60}>{file.name}</Name>
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => {
                forget();
                setFile(undefined);
              }}
            >
              Take it back
            </Button>
          </>
        )}
      </Group>
      {file === undefined ? (
        <Textarea
          label="Or paste it"
          autosize
          minRows={4}
          maxRows={16}
          spellCheck={false}
          value={text}
          onChange={(event) => {
            forget();
            setText(event.currentTarget.value);
          }}
        />
      ) : null}
      <Group gap="sm">
        <Deed
          variant="default"
          why={isEmpty ? "There is nothing to look at." : undefined}
          loading={check.isPending}
          onClick={() => {
            check.mutate();
          }}
        >
          Look at it
        </Deed>
        <Deed
          why={why}
          loading={add.isPending}
          onClick={() => {
            add.mutate();
          }}
        >
          Add to the block list…
        </Deed>
        <Button
          variant="default"
          onClick={() => void navigate({ to: "/library", search: { kind: "indicators" } as never })}
        >
          Earlier files
        </Button>
      </Group>
      {check.error === null ? null : <Failure error={check.error} />}
      {add.error === null ? null : <Failure error={add.error} />}
      {found === undefined ? null : <Found found={found} />}
    </Stack>
  );
}

function Found({ found }: { found: Checked }) {
  const kinds = Object.entries(found.by_kind).map(([kind, size]) => `${String(size)} ${kind}`);
  return (
    <section aria-label="What is in it" aria-live="polite">
      <List size="sm">
        <List.Item>
          {count(found.objects, "object")}
          {kinds.length === 0 ? "" : `: ${kinds.join(", ")}`}
        </List.Item>
        <List.Item>{found.listed} of them are listed already</List.Item>
        <List.Item>{found.refused} of them would not be listed: exceptions, or what is protected</List.Item>
        <List.Item>{found.duplicates} there more than once</List.Item>
        <List.Item>{count(found.problem_count, "place")} not understood</List.Item>
      </List>
      {found.problems.length === 0 ? null : (
        <>
          <Title order={2} size="h4" mt="md">
            Not understood
          </Title>
          <SmallTable
            columns={[
              { title: found.format === "stix" ? "Object" : "Line", cell: (problem) => problem.line },
              {
                title: "What stands there",
                cell: (problem) => (
                  <Name mono length={80}>
                    {problem.text}
                  </Name>
                ),
              },
              { title: "Why", cell: (problem) => <Name length={120}>{problem.problem}</Name> },
            ]}
            rows={found.problems}
            of={(_, index) => index}
            minWidth={420}
          />
        </>
      )}
    </section>
  );
}
