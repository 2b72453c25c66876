/// What was read before, where reading it again failed: it stays, but not as if it were so now.

import { Box, Text } from "@mantine/core";

import { Failure } from "./Failure";
import { Time } from "./Time";

type Props = {
  /** Why it could not be read again; `null` shows nothing. */
  error: unknown;
  /** When what is shown was read: milliseconds since 1970, a query's `dataUpdatedAt`. */
  at: number;
  retry?: () => void;
  mb?: string;
};

export function Stale({ error, at, retry, mb }: Props) {
  if (error === null || error === undefined) return null;
  return (
    <Box {...(mb === undefined ? {} : { mb })}>
      {at === 0 ? null : (
        <Text size="sm" fw={600} mb={4}>
          What stands here was read <Time at={new Date(at).toISOString()} />. Reading it again failed: it may be
          otherwise by now.
        </Text>
      )}
      <Failure error={error} {...(retry === undefined ? {} : { retry })} />
    </Box>
  );
}
