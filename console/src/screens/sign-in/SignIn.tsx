/// Signing in: password and code, passkey, or the organisation's own way.

import { Button, Divider, Loader, PasswordInput, Stack, TextInput } from "@mantine/core";
import { IconKey } from "@tabler/icons-react";
import { useState, type FormEvent } from "react";

import { $api, api, data } from "../../api/client";
import { canUsePasskeys, getCredential } from "../../api/passkey";
import { asApiError } from "../../api/problem";
import { Redirect } from "../../app/Redirect";
import { useFilters } from "../../app/url";
import { Failure } from "../../ui/Failure";
import { CodeStep } from "./CodeStep";
import { useEnter } from "./enter";
import { Gate } from "./Gate";
import { ownPath } from "./goal";
import { Organisation } from "./Organisation";
import { Note } from "../../ui/Note";

export default function SignIn() {
  const [search] = useFilters();
  const goal = ownPath(search["return"]);
  const setup = $api.useQuery("get", "/api/v1/setup");
  const me = $api.useQuery("get", "/api/v1/me", undefined, { staleTime: 60_000, retry: false });
  const enter = useEnter();
  if (setup.data?.open === true) return <Redirect to="/setup" />;
  if (me.isPending || setup.isPending) return <Loader m="xl" aria-label="Looking whether you are signed in" />;
  if (me.data !== undefined && me.error === null) return <Entered go={() => void enter(goal)} />;
  return (
    <Gate title="Sign in" about={goal === "/" ? undefined : "Then you are taken to where you wanted to go."}>
      <Ways goal={goal} known={search["email"] ?? ""} isAfterReset={search["done"] === "password"} />
    </Gate>
  );
}

function Entered({ go }: { go: () => void }) {
  return (
    <Gate title="You are signed in">
      <Button mt="md" onClick={go}>
        Go on
      </Button>
    </Gate>
  );
}

function Ways({ goal, known, isAfterReset }: { goal: string; known: string; isAfterReset: boolean }) {
  const enter = useEnter();
  const [email, setEmail] = useState(known);
  const [password, setPassword] = useState("");
  const [isCode, setCode] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState<"password" | "passkey" | undefined>();

  const attempt = async (how: "password" | "passkey", act: () => Promise<void>): Promise<void> => {
    setBusy(how);
    setError(null);
    try {
      await act();
      await enter(goal);
    } catch (failure) {
      const { code } = asApiError(failure);
      if (code === "totp_needed") setCode(true);
      else setError(failure);
      setBusy(undefined);
    }
  };
  const withPassword = (second: { totp?: string; recovery?: string }): Promise<void> =>
    attempt("password", async () => {
      await api.POST("/api/v1/session", { body: { email: email.trim(), password, ...second } });
    });
  const withPasskey = (): Promise<void> =>
    attempt("passkey", async () => {
      const who = email.trim() === "" ? {} : { email: email.trim() };
      const asked = await data(api.POST("/api/v1/session/passkey/begin", { body: who }));
      const credential = await getCredential(asked.options);
      await api.POST("/api/v1/session/passkey/finish", { body: { ceremony: asked.ceremony, credential } });
    });

  if (isCode) {
    return (
      <CodeStep
        error={error}
        isBusy={busy !== undefined}
        send={(second) => void withPassword(second)}
        back={() => {
          setCode(false);
          setPassword("");
          setError(null);
        }}
      />
    );
  }
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void withPassword({});
  };
  return (
    <Stack gap="md" mt="md">
      {isAfterReset ? <Note tone="ok">The password is set. Sign in with it.</Note> : null}
      <form onSubmit={submit}>
        <Stack gap="sm">
          <TextInput
            label="E-mail address"
            type="email"
            autoComplete="username"
            required
            autoFocus={known === ""}
            maxLength={254}
            value={email}
            onChange={(event) => {
              setEmail(event.currentTarget.value);
            }}
          />
          <PasswordInput
            label="Password"
            autoComplete="current-password"
            required
            autoFocus={known !== ""}
            value={password}
            onChange={(event) => {
              setPassword(event.currentTarget.value);
            }}
          />
          <Failure error={said(error)} />
          <Button type="submit" fullWidth loading={busy === "password"} disabled={busy === "passkey"}>
            Sign in
          </Button>
        </Stack>
      </form>
      <Divider label="or" />
      <Stack gap="xs">
        {canUsePasskeys() ? (
          <Button
            variant="default"
            fullWidth
            leftSection={<IconKey size={16} aria-hidden />}
            loading={busy === "passkey"}
            disabled={busy === "password"}
            onClick={() => void withPasskey()}
          >
            Use a passkey
          </Button>
        ) : null}
        <Organisation goal={goal} />
      </Stack>
    </Stack>
  );
}

/** Who closed the authenticator's dialog knows it. */
function said(error: unknown): unknown {
  return error instanceof DOMException && (error.name === "NotAllowedError" || error.name === "AbortError")
    ? new Error("The passkey was not used: the request was closed, or took too long.")
    : error;
}
