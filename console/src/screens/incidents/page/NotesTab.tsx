/// What people write about an incident; one changes and removes one's own alone.

import { Button, Group, Stack, Text, Textarea } from "@mantine/core";
import { IconNotes, IconPencil, IconTrash } from "@tabler/icons-react";
import { useState } from "react";

import { $api, api, type Schemas } from "../../../api/client";
import { useMe, whyNot } from "../../../api/me";
import { PAGED, usePages } from "../../../api/pages";
import { asApiError } from "../../../api/problem";
import { refresh } from "../../../api/query";
import { Ask } from "../../../ui/Ask";
import { Deed } from "../../../ui/Deed";
import { Empty } from "../../../ui/Empty";
import { Failure } from "../../../ui/Failure";
import { Name } from "../../../ui/Name";
import { Sure } from "../../../ui/Sure";
import { inertLines } from "../../../ui/text";
import { Time } from "../../../ui/Time";
import { Unread } from "../../../ui/Unread";
import type { WholeIncident } from "../types";
import classes from "./page.module.css";

type Note = Schemas["Note"];

const MOST = 10_000;
const PATH = "/api/v1/incidents/{id}/notes";

export default function NotesTab({ incident }: { incident: WholeIncident }) {
  const answer = $api.useInfiniteQuery(
    "get",
    PATH,
    { params: { path: { id: incident.id }, query: { limit: 100 } } },
    PAGED,
  );
  const pages = usePages<Note>(answer);
  return (
    <Stack gap="md" maw={820}>
      <Add incident={incident} />
      <Unread answer={answer} label="Reading the notes" />
      {answer.data !== undefined && pages.rows.length === 0 ? (
        <Empty icon={IconNotes} title="Nobody wrote anything yet">
          What was looked at, what was ruled out, what is left to do: whoever takes over reads it here, and it is part
          of the exports.
        </Empty>
      ) : null}
      <ul className={classes.notes}>
        {pages.rows.map((note) => (
          <Shown key={note.id} incident={incident} note={note} />
        ))}
      </ul>
      {pages.isMore ? (
        <Button variant="default" onClick={pages.more} loading={pages.isFetching}>
          Earlier notes
        </Button>
      ) : null}
    </Stack>
  );
}

const again = (): Promise<void> => refresh("/api/v1/incidents");

function Add({ incident }: { incident: WholeIncident }) {
  const me = useMe();
  const [body, setBody] = useState("");
  const add = $api.useMutation("post", PATH, {
    onSuccess: () => {
      setBody("");
      void again();
    },
  });
  const why = whyNot(me, "incident.write");
  const trimmed = body.trim();
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (trimmed !== "" && why === undefined)
          add.mutate({ params: { path: { id: incident.id } }, body: { body: trimmed } });
      }}
    >
      <Textarea
        label="New note"
        autosize
        minRows={2}
        maxRows={14}
        maxLength={MOST}
        value={body}
        disabled={why !== undefined}
        onChange={(event) => {
          setBody(event.currentTarget.value);
        }}
        error={add.error === null ? undefined : asApiError(add.error).field("body")}
      />
      <Failure error={add.error} />
      <Group justify="flex-end" mt={6}>
        <Deed
          type="submit"
          size="sm"
          loading={add.isPending}
          why={why ?? (trimmed === "" ? "Write something first." : undefined)}
        >
          Add the note
        </Deed>
      </Group>
    </form>
  );
}

function Shown({ incident, note }: { incident: WholeIncident; note: Note }) {
  const me = useMe();
  const [dialog, setDialog] = useState<"edit" | "remove">();
  const [body, setBody] = useState(note.body);
  const path = { id: incident.id, note: note.id };
  const close = (): void => {
    setDialog(undefined);
    setBody(note.body);
  };
  const isOpen = note.is_own && whyNot(me, "incident.write") === undefined;
  return (
    <li className={classes.note}>
      <Group justify="space-between" gap="xs" mb={4}>
        <Text size="xs" c="dimmed">
          <Text component="span" size="sm" fw={600} c="var(--mantine-color-text)">
            <Name length={50}>{note.author.name}</Name>
          </Text>{" "}
          <Time at={note.created_at} />
          {note.edited_at == null ? null : (
            <>
              {" · changed "}
              <Time at={note.edited_at} />
            </>
          )}
        </Text>
        {isOpen ? (
          <Group gap={4}>
            <Button
              size="compact-xs"
              variant="default"
              leftSection={<IconPencil size={13} aria-hidden />}
              onClick={() => {
                setDialog("edit");
              }}
            >
              Change
            </Button>
            <Button
              size="compact-xs"
              variant="default"
              leftSection={<IconTrash size={13} aria-hidden />}
              onClick={() => {
                setDialog("remove");
              }}
            >
              Remove
            </Button>
          </Group>
        ) : null}
      </Group>
      <Text size="sm" className={classes.body ?? ""}>
        {inertLines(note.body)}
      </Text>
      {dialog === "edit" ? (
        <Ask
          title="Change the note"
          deed="Change"
          size="lg"
          why={body.trim() === "" ? "Write something, or remove the note." : undefined}
          act={async () => {
            await api.PATCH("/api/v1/incidents/{id}/notes/{note}", { params: { path }, body: { body: body.trim() } });
            await again();
          }}
          close={close}
        >
          {(field) => (
            <Textarea
              label="Note"
              data-autofocus
              autosize
              minRows={4}
              maxRows={16}
              maxLength={MOST}
              value={body}
              error={field("body")}
              onChange={(event) => {
                setBody(event.currentTarget.value);
              }}
            />
          )}
        </Ask>
      ) : null}
      {dialog === "remove" ? (
        <Sure
          title="Remove the note"
          deed="Remove it"
          act={async () => {
            await api.DELETE("/api/v1/incidents/{id}/notes/{note}", { params: { path } });
            await again();
          }}
          close={close}
        >
          <Text size="sm">
            It is gone for everybody, and cannot be brought back. That there was a note stays in the audit trail.
          </Text>
        </Sure>
      ) : null}
    </li>
  );
}
