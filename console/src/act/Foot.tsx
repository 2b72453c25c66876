/// The last step of any request: what is hit is named once more, typed where that is asked for, and sent.

import { Button, Group, Kbd, Stack, Text, TextInput } from "@mantine/core";

import type { ApiError } from "../api/problem";
import { Deed } from "../ui/Deed";
import { Failure } from "../ui/Failure";
import { count } from "../ui/text";
import classes from "./act.module.css";
import { answers, type Challenge } from "./draft";
import type { Preview } from "./preview";
import { ASKING } from "./useRequest";

/** What a request is by now, as far as its last step goes. */
export type Last = {
  preview: Preview | undefined;
  challenge: Challenge | undefined;
  typed: string;
  type: (text: string) => void;
  isSending: boolean;
  send: () => void;
  failure: ApiError | null;
};

type Props = {
  last: Last;
  /** What is done, and with what effect as long as the server has not said. */
  deed: string;
  effect: string | undefined;
  /** Why it cannot be sent now. */
  why: string | undefined;
  close: () => void;
};

export function Foot({ last, deed, effect, why, close }: Props) {
  const { preview, challenge, isSending } = last;
  const isAsked = preview?.approval.how === "people";
  return (
    <Stack className={classes.foot ?? ""} gap="sm">
      <Failure error={last.failure} />
      <Group justify="space-between" align="flex-end" gap="sm">
        {challenge === undefined ? <span /> : <Confirm challenge={challenge} last={last} />}
        <Group gap="xs" ml="auto">
          <Button variant="default" onClick={close} disabled={isSending}>
            Cancel
          </Button>
          <Deed
            why={why}
            loading={isSending}
            color={(preview?.way_back.effect ?? effect) === "read_only" ? "quell" : "red.9"}
            onClick={last.send}
            data-testid="send"
            rightSection={
              <Kbd size="xs" visibleFrom="sm">
                Ctrl ↵
              </Kbd>
            }
          >
            {isAsked ? `Ask for approval: ${deed.charAt(0).toLowerCase()}${deed.slice(1)}` : deed}
          </Deed>
        </Group>
      </Group>
      {/* Its place is kept: what is said for a moment moves nothing. */}
      <Text size="xs" c={why === ASKING ? "dimmed" : "var(--quell-warn)"} ta="right" mih="1.2rem" role="status">
        {why}
      </Text>
    </Stack>
  );
}

function Confirm({ challenge, last: { typed, type, preview } }: { challenge: Challenge; last: Last }) {
  const isOther = typed !== "" && !answers(challenge, typed) && !challenge.text.startsWith(typed.trim());
  const [ask, other] = wordsOf(challenge, preview?.target_count ?? 0);
  return (
    <TextInput
      label={`To confirm, type ${ask}`}
      data-path="typed"
      autoComplete="off"
      spellCheck={false}
      value={typed}
      maxLength={60}
      w={300}
      onChange={(event) => {
        type(event.currentTarget.value);
      }}
      {...(isOther ? { error: other } : {})}
    />
  );
}

/** What is to be typed, and what is said of anything else. */
function wordsOf({ what, text }: Challenge, size: number): [string, string] {
  switch (what) {
    case "count":
      return [`the number of targets: ${Number(text).toLocaleString("en")}`, `It hits ${count(size, "target")}.`];
    case "id":
      return [`the last 8 characters of its id: ${text}`, "This is another id."];
    case "name":
      return [`the target: ${text}`, "This is another name."];
  }
}
