/// The first set-up: whoever can read the server's data directory makes the first administrator.

import { Anchor, Code, Loader, Stack, Text, TextInput } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";

import { $api, api } from "../../api/client";
import { asApiError } from "../../api/problem";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { Gate } from "./Gate";
import { NewPassword, NOTHING_CHOSEN, unready } from "./NewPassword";
import { WhatNow } from "./WhatNow";
import { Note } from "../../ui/Note";

export default function SetUp() {
  const setup = $api.useQuery("get", "/api/v1/setup", undefined, { staleTime: Infinity });
  const [name, setName] = useState<string | undefined>();
  if (name !== undefined) return <WhatNow name={name} />;
  if (setup.isPending) return <Loader m="xl" aria-label="Looking whether the set-up is to be done" />;
  if (setup.error !== null) {
    return (
      <Gate title="Set up Quell">
        <Failure error={setup.error} retry={() => void setup.refetch()} />
      </Gate>
    );
  }
  if (!setup.data.open) {
    return (
      <Gate title="This server is set up">
        <Text size="sm" my="md">
          Its first administrator was made, and that happens once. Who lost every way in is helped on the server’s own
          machine: <Code>quell recover --email …</Code>
        </Text>
        <Anchor component={Link} to="/sign-in">
          To the sign-in
        </Anchor>
      </Gate>
    );
  }
  return <Form done={setName} />;
}

const EMPTY = { code: "", organisation: "", name: "", email: "" };

function Form({ done }: { done: (name: string) => void }) {
  const [values, setValues] = useState(EMPTY);
  const [password, setPassword] = useState(NOTHING_CHOSEN);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const why = unready(password);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (why !== undefined) return;
    setBusy(true);
    setError(null);
    const { code, organisation, name, email } = values;
    try {
      await api.POST("/api/v1/setup", {
        body: {
          code: code.trim(),
          organisation: organisation.trim() === "" ? null : organisation,
          name,
          email: email.trim(),
          password: password.text,
        },
      });
      await api.POST("/api/v1/session", { body: { email: email.trim(), password: password.text } });
      done(name);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const said = error === null ? undefined : asApiError(error);
  const input = (key: keyof typeof EMPTY) => ({
    value: values[key],
    error: said?.field(key),
    onChange: (event: React.ChangeEvent<HTMLInputElement>) => {
      const { value } = event.currentTarget;
      setValues((before) => ({ ...before, [key]: value }));
    },
  });
  return (
    <Gate
      isWide
      title="Set up Quell"
      about="Make the first administrator. This closes the set-up for good."
      foot="Nobody but who has the code can do this."
    >
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="sm" mt="md">
          <Note>
            The code was printed when the server first started, and stands in <Code>setup.code</Code> in its data
            directory. Read it on the server’s own machine.
          </Note>
          <TextInput
            label="Code of the server"
            required
            autoFocus
            autoComplete="off"
            spellCheck={false}

            {...input("code")}
          />
          <TextInput
            label="Organisation"
            description="What the first tenant is called."
            maxLength={100}
            autoComplete="organization"
            {...input("organisation")}
          />
          <TextInput label="Your name" required maxLength={100} autoComplete="name" {...input("name")} />
          <TextInput
            label="E-mail address"
            description="You sign in with it."
            type="email"
            required
            maxLength={254}
            autoComplete="username"
            {...input("email")}
          />
          <NewPassword value={password} change={setPassword} error={error} field="password" />
          <Failure error={error} />
          <Deed type="submit" fullWidth loading={isBusy} why={why}>
            Set up and sign in
          </Deed>
        </Stack>
      </form>
    </Gate>
  );
}
