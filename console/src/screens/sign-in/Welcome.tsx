/// An invitation or a new way in: the token stays behind `#`, and leaves the browser in the body of one request alone.

import { Anchor, Button, Code, Loader, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useEffect, useState, type FormEvent } from "react";

import { api, data, type Schemas } from "../../api/client";
import { asApiError } from "../../api/problem";
import { queries } from "../../api/query";
import { Deed } from "../../ui/Deed";
import { Failure } from "../../ui/Failure";
import { Name } from "../../ui/Name";
import { useEnter } from "./enter";
import { Gate } from "./Gate";
import { NewPassword, NOTHING_CHOSEN, unready } from "./NewPassword";

export default function Welcome() {
  const [token, setToken] = useState(() => window.location.hash.slice(1));
  useEffect(() => {
    // Neither the history nor a bookmark keeps it.
    if (window.location.hash !== "") window.history.replaceState(window.history.state, "", window.location.pathname);
  }, []);
  if (token === "") return <AskToken done={setToken} />;
  return (
    <Shown
      token={token}
      again={() => {
        setToken("");
      }}
    />
  );
}

function AskToken({ done }: { done: (token: string) => void }) {
  const [text, setText] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    // A whole link is as good as what stands behind its `#`.
    done(text.trim().split("#").pop() ?? "");
  };
  return (
    <Gate title="Welcome" about="With the link or the token that an administrator gave you, you set your password.">
      <form onSubmit={submit}>
        <Stack gap="sm" mt="md">
          <TextInput
            label="Link or token"
            description="The token begins with qt_."
            required
            autoFocus
            autoComplete="off"
            spellCheck={false}
            value={text}
            onChange={(event) => {
              setText(event.currentTarget.value);
            }}
          />
          <Button type="submit" fullWidth>
            Go on
          </Button>
          <Anchor component={Link} to="/sign-in" size="sm" ta="center">
            To the sign-in
          </Anchor>
        </Stack>
      </form>
    </Gate>
  );
}

function Shown({ token, again }: { token: string; again: () => void }) {
  const shown = useQuery({
    queryKey: ["ticket"],
    queryFn: () => data(api.POST("/api/v1/tickets/show", { body: { token } })),
    gcTime: 0,
    staleTime: Infinity,
    retry: false,
  });
  if (shown.isPending) return <Loader m="xl" aria-label="Looking whose link it is" />;
  if (shown.error !== null) {
    return (
      <Gate title="This link is over">
        <Stack gap="sm" mt="md">
          <Failure error={shown.error} />
          <Text size="sm" c="dimmed">
            An invitation is good once, for three days; a link for a new password for one day, and a newer one ends it.
            If you set your password with it already, sign in.
          </Text>
          <Button component={Link} to="/sign-in" fullWidth>
            To the sign-in
          </Button>
          <Anchor component="button" type="button" size="sm" onClick={again}>
            Try another link
          </Anchor>
        </Stack>
      </Gate>
    );
  }
  return <Choose token={token} who={shown.data} />;
}

function Choose({ token, who }: { token: string; who: Schemas["TicketShown"] }) {
  const [password, setPassword] = useState(NOTHING_CHOSEN);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const enter = useEnter();
  const navigate = useNavigate();
  const why = unready(password);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (why !== undefined) return;
    setBusy(true);
    setError(null);
    try {
      await api.POST("/api/v1/tickets/redeem", { body: { token, password: password.text } });
    } catch (failure) {
      setError(failure);
      setBusy(false);
      return;
    }
    try {
      await api.POST("/api/v1/session", { body: { email: who.email, password: password.text } });
      await enter("/");
    } catch {
      // A code is asked for, or no role was given yet: the sign-in tells it.
      queries.clear();
      await navigate({ to: "/sign-in", search: { email: who.email, done: "password" } as never, replace: true });
    }
  };
  const isNew = who.kind === "invitation";
  return (
    <Gate
      title={isNew ? "Welcome" : "A new password"}
      about={
        <>
          {isNew ? "You were invited to " : "Your way in to "}
          <b>
            <Name length={60}>{who.tenant}</Name>
          </b>
          {isNew ? ", as " : " is set anew, for "}
          <b>
            <Name length={60}>{who.name}</Name>
          </b>
          .
        </>
      }
    >
      <form onSubmit={(event) => void submit(event)}>
        <Stack gap="sm" mt="md">
          <TextInput
            label="E-mail address"
            description="You sign in with it."
            readOnly
            value={who.email}
            autoComplete="username"
          />
          <NewPassword value={password} change={setPassword} error={error} field="password" />
          {asApiErrorOrNone(error)}
          <Deed type="submit" fullWidth loading={isBusy} why={why}>
            {who.totp ? "Set the password" : "Set the password and sign in"}
          </Deed>
          <Text size="xs" c="dimmed">
            On the command line: <Code>quell people redeem</Code>
          </Text>
        </Stack>
      </form>
    </Gate>
  );
}

/** What stands at the field already is not said twice. */
function asApiErrorOrNone(error: unknown) {
  if (error === null || asApiError(error).field("password") !== undefined) return null;
  return <Failure error={error} />;
}
