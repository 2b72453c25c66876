/// The words of each kind of notice.

import { Box, Group, NavLink, Select, Stack, Text } from "@mantine/core";

import { useFilters } from "../../../app/url";
import { words } from "../../../ui/text";
import { sentence, useNoticeKinds } from "../notices/kinds";
import { Template } from "./Template";

export function Templates() {
  const kinds = useNoticeKinds();
  const [filters, set] = useFilters();
  const chosen = kinds.find((kind) => kind.name === filters["kind"]) ?? kinds[0];
  return (
    <Group align="flex-start" gap="lg">
      <Select
        hiddenFrom="sm"
        w="100%"
        label="Kind of notice"
        allowDeselect={false}
        data={kinds.map((kind) => ({ value: kind.name, label: sentence(words(kind.name)) }))}
        value={chosen?.name ?? null}
        onChange={(kind) => {
          set({ kind: kind ?? undefined });
        }}
      />
      <Stack component="nav" gap={2} w={230} visibleFrom="sm" aria-label="Kinds of notices">
        {kinds.map((kind) => (
          <NavLink
            key={kind.name}
            component="button"
            label={sentence(words(kind.name))}
            active={kind.name === chosen?.name}
            aria-current={kind.name === chosen?.name ? "true" : undefined}
            onClick={() => {
              set({ kind: kind.name });
            }}
          />
        ))}
      </Stack>
      <Box flex="1 1 320px" miw={0}>
        {chosen === undefined ? null : (
          <>
            <Text size="sm" c="dimmed" mb="sm">
              Told when {chosen.about}.
            </Text>
            <Template key={chosen.name} kind={chosen.name} />
          </>
        )}
      </Box>
    </Group>
  );
}
