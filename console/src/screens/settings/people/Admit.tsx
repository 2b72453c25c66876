/// Letting somebody in who is at home in another tenant: an outside operations team, say.

import { TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState } from "react";

import { api, data } from "../../../api/client";
import { refresh } from "../../../api/query";
import { Ask } from "../../../ui/Ask";
import { clip, inert } from "../../../ui/text";
import { RolePick } from "./RolePick";
import { Note } from "../../../ui/Note";

export function Admit({ close }: { close: () => void }) {
  const [email, setEmail] = useState("");
  const [roles, setRoles] = useState<string[]>([]);
  const send = async (): Promise<void> => {
    const person = await data(api.POST("/api/v1/members", { body: { email: email.trim(), roles } }));
    notifications.show({ message: `${clip(inert(person.name), 60)} is let in.`, color: "teal" });
    await refresh("/api/v1/people");
  };
  return (
    <Ask
      title="Let somebody of another tenant in"
      deed="Let them in"
      size="lg"
      act={send}
      close={close}
      why={roles.length > 0 ? undefined : "Choose at least one role."}
    >
      {(field) => (
        <>
          <Note>
            They ask as an outside team, whatever roles they have here. Addresses are not verified: let in only whom the
            other tenant named to you, and look at who they are afterwards.
          </Note>
          <TextInput
            data-autofocus
            required
            type="email"
            label="Exact e-mail address of their account"
            maxLength={254}
            value={email}
            error={field("email")}
            onChange={(event) => {
              setEmail(event.currentTarget.value);
            }}
          />
          <RolePick value={roles} change={setRoles} error={field("roles")} />
        </>
      )}
    </Ask>
  );
}
