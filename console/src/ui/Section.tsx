/// A part of a page with a heading, what it is, and what can be done.

import { Box, Group, Paper, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

type Props = { title: string; about?: ReactNode; actions?: ReactNode; children?: ReactNode };

export function Section({ title, about, actions, children }: Props) {
  return (
    <Paper withBorder p="md" component="section" aria-label={title}>
      <Group justify="space-between" align="flex-start" gap="sm">
        <Box flex="1 1 240px" miw={0}>
          <Title order={2}>{title}</Title>
          {about === undefined ? null : (
            <Text size="sm" c="dimmed" component="div" mt={2} maw={680}>
              {about}
            </Text>
          )}
        </Box>
        {actions === undefined ? null : <Group gap="xs">{actions}</Group>}
      </Group>
      {children === undefined || children === null ? null : <Box mt="md">{children}</Box>}
    </Paper>
  );
}
