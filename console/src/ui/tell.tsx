/// Tells of a failure where there is no form or list to show it in.

import { Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";

import { asApiError } from "../api/problem";
import { inertLines } from "./text";

/** Milliseconds that it stands: long enough to be read and copied. */
const STANDS = 20_000;

/** Shows what went wrong, what to try, and the request by which it is found; the same failure once at a time. */
export function tell(error: unknown): void {
  const { code, title, detail, hint, request_id } = asApiError(error).problem;
  notifications.show({
    id: `failure ${code} ${title}`,
    color: "red",
    title,
    autoClose: STANDS,
    closeButtonProps: { "aria-label": "Close" },
    message: (
      <>
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          {inertLines(detail)}
        </Text>
        {hint ? <Text size="sm">{inertLines(hint)}</Text> : null}
        <Text size="xs" c="dimmed" mt={4}>
          {code}
          {request_id ? ` · request ${request_id}` : ""}
        </Text>
      </>
    ),
  });
}
