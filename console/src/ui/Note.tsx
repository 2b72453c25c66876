/// Something to know before one goes on: quieter than an alert, no error.

import { Box, Text } from "@mantine/core";
import type { ReactNode } from "react";

type Props = { children: ReactNode; title?: string; tone?: "quiet" | "warn" | "bad" | "ok" };

export function Note({ children, title, tone = "quiet" }: Props) {
  return (
    <Box
      px="sm"
      py={8}
      style={{
        background: "var(--quell-surface)",
        border: "1px solid var(--quell-line)",
        borderInlineStart: `3px solid var(--quell-${tone})`,
        borderRadius: "var(--mantine-radius-sm)",
      }}
    >
      {title === undefined ? null : (
        <Text size="sm" fw={600}>
          {title}
        </Text>
      )}
      <Text size="sm" component="div">
        {children}
      </Text>
    </Box>
  );
}
