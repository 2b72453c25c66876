/// Adding a key of kits: who signs with it, and its public part.

import { Text, TextInput } from "@mantine/core";
import { useState } from "react";

import { api, data } from "../../../api/client";
import { refresh } from "../../../api/query";
import { Ask } from "../../../ui/Ask";
import { NameInput } from "../../../ui/NameInput";

export function NewKitKey({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [text, setText] = useState("");
  const send = async (): Promise<void> => {
    await data(api.POST("/api/v1/kit-keys", { body: { name, public: text.trim() } }));
    await refresh("/api/v1/kit-keys");
  };
  return (
    <Ask title="Add a key" deed="Add the key" size="lg" act={send} close={close}>
      {(field) => (
        <>
          <NameInput value={name} change={setName} error={field("name")} description="Who signs kits with it." />
          <TextInput
            required
            label="Public key"
            description="As quell kit key printed it."
            placeholder="ed25519:…"
            maxLength={100}
            spellCheck={false}
            autoComplete="off"
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
            value={text}
            error={field("public")}
            onChange={(event) => {
              setText(event.currentTarget.value);
            }}
          />
          <Text size="sm">
            Whoever holds its private part can write scripts and programs that run on endpoints with the agent’s rights,
            once a task for one is agreed to. Endpoints that pin an offline root of trust run them only where that root
            names the key too.
          </Text>
        </>
      )}
    </Ask>
  );
}
