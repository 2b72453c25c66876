/// The last step: what is hit is named once more, typed where that is asked for, and sent.

import { Button, Group, Kbd, Stack, Text, TextInput } from "@mantine/core";

import { useMe, whyNot } from "../api/me";
import { Deed } from "../ui/Deed";
import { Failure } from "../ui/Failure";
import { count } from "../ui/text";
import classes from "./act.module.css";
import { deedOf, type Action } from "./draft";
import { ASKING, type RequestState } from "./useRequest";

export function Foot({ request, action, close }: { request: RequestState; action: Action; close: () => void }) {
  const me = useMe();
  const { preview, challenge, typed, type, isAnswered } = request;
  const why = whyNot(me, "task.submit", action.id) ?? request.why;
  const isAsked = preview?.approval.how === "people";
  const size = preview?.target_count ?? 0;
  const deed = size > 0 ? deedOf(action, preview?.targets.map(({ name }) => name) ?? [], size) : action.title;
  return (
    <Stack className={classes.foot ?? ""} gap="sm">
      <Failure error={request.failure} />
      <Group justify="space-between" align="flex-end" gap="sm">
        {challenge === undefined ? (
          <span />
        ) : (
          <TextInput
            label={
              challenge.what === "count"
                ? `To confirm, type the number of targets: ${Number(challenge.text).toLocaleString("en")}`
                : challenge.what === "id"
                  ? `To confirm, type the last 8 characters of its id: ${challenge.text}`
                  : `To confirm, type the target: ${challenge.text}`
            }
            data-path="typed"
            autoComplete="off"
            spellCheck={false}
            value={typed}
            maxLength={60}
            w={300}
            onChange={(event) => {
              type(event.currentTarget.value);
            }}
            {...(typed === "" || isAnswered || challenge.text.startsWith(typed.trim())
              ? {}
              : {
                  error:
                    challenge.what === "count"
                      ? `It hits ${count(size, "target")}.`
                      : challenge.what === "id"
                        ? "This is another id."
                        : "This is another name.",
                })}
          />
        )}
        <Group gap="xs" ml="auto">
          <Button variant="default" onClick={close} disabled={request.isSending}>
            Cancel
          </Button>
          <Deed
            why={why}
            loading={request.isSending}
            color={(preview?.way_back.effect ?? action.effect) === "read_only" ? "quell" : "red.9"}
            onClick={request.send}
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
