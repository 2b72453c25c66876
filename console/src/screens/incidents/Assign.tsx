/// Whose work incidents are from now on.

import { Select, Text } from "@mantine/core";
import { useState } from "react";

import { useMe } from "../../api/me";
import { tell } from "../../ui/tell";
import { Ask } from "../../ui/Ask";
import { clip, count, inert } from "../../ui/text";
import { changeIncident, changeMany } from "./change";
import { usePeople } from "./people";
import type { Incident } from "./types";

const NOBODY = "nobody";

type Props = {
  incidents: Pick<Incident, "id" | "number" | "title" | "assignee">[];
  tag?: string;
  close: () => void;
  done?: () => void;
};

export function Assign({ incidents, tag, close, done }: Props) {
  const me = useMe();
  const people = usePeople();
  const isOne = incidents.length === 1;
  const [who, setWho] = useState<string>(me.id);
  const act = async (): Promise<void> => {
    const assignee = who === NOBODY ? null : who === me.id ? "me" : who;
    const [first] = incidents;
    if (isOne && first !== undefined) await changeIncident(first.id, { assignee }, tag);
    else {
      const { failed } = await changeMany(
        incidents.map(({ id }) => id),
        { assignee },
      );
      if (failed.length > 0) tell(failed[0]?.error);
    }
    done?.();
  };
  return (
    <Ask
      title={
        isOne ? `Assign incident #${String(incidents[0]?.number)}` : `Assign ${count(incidents.length, "incident")}`
      }
      deed="Assign"
      act={act}
      close={close}
    >
      {(field) => (
        <>
          <Select
            label="Assignee"
            data-autofocus
            allowDeselect={false}
            searchable={people.length > 8}
            data={[
              { value: me.id, label: "Me" },
              ...people
                .filter(({ id }) => id !== me.id)
                .map(({ id, name }) => ({ value: id, label: clip(inert(name), 60) })),
              { value: NOBODY, label: "Nobody" },
            ]}
            value={who}
            onChange={(next) => {
              setWho(next ?? me.id);
            }}
            error={field("assignee")}
          />
          {isOne ? null : (
            <Text size="sm" c="dimmed">
              {incidents.map(({ number }) => `#${String(number)}`).join(", ")}
            </Text>
          )}
        </>
      )}
    </Ask>
  );
}
