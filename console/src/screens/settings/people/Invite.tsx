/// Inviting somebody: name, address, roles; then the link to hand over.

import { TextInput } from "@mantine/core";
import { useState } from "react";

import { api, data, type Schemas } from "../../../api/client";
import { refresh } from "../../../api/query";
import { Ask } from "../../../ui/Ask";
import { NameInput } from "../../../ui/NameInput";
import { RolePick } from "./RolePick";
import { ShownTicket } from "./ShownTicket";

export function Invite({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [roles, setRoles] = useState<string[]>([]);
  const [made, setMade] = useState<Schemas["Invited"] | undefined>();
  if (made !== undefined) {
    return <ShownTicket title="Invited" ticket={made.ticket} name={made.name} close={close} />;
  }
  const send = async () => {
    const body = { name, email: email.trim(), roles };
    setMade(await data(api.POST("/api/v1/people", { body })));
    void refresh("/api/v1/people");
    return "stay" as const;
  };
  return (
    <Ask title="Invite a person" deed="Invite" size="lg" act={send} close={close}>
      {(field) => (
        <>
          <NameInput value={name} change={setName} error={field("name")} />
          <TextInput
            required
            type="email"
            label="E-mail address"
            description="They sign in with it. You hand the link over yourself."
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
