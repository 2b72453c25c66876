/// The head that every screen has: what it is, and what can be done here.

import { Box, Group, Text, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import type { ReactNode } from "react";

import { clip, inert } from "./text";

type Props = { title: string; about?: ReactNode; actions?: ReactNode; children: ReactNode };

export function Page({ title, about, actions, children }: Props) {
  const shown = clip(inert(title), 120);
  useDocumentTitle(`${shown} · Quell`);
  return (
    <Box>
      <Group justify="space-between" align="flex-start" mb="md" gap="sm">
        <Box miw={0} flex="1 1 260px">
          <Title order={1} style={{ overflowWrap: "anywhere" }}>
            <bdi>{shown}</bdi>
          </Title>
          {about === undefined ? null : (
            <Text c="dimmed" size="sm" component="div">
              {about}
            </Text>
          )}
        </Box>
        {actions === undefined ? null : <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Box>
  );
}
