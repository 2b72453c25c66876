/// How many people of which roles, with a warning where they are too few.

import { Group, MultiSelect, NumberInput, Stack, Text } from "@mantine/core";

import { words } from "../../../ui/text";
import { shortage, type People } from "./policy";
import { useDeciders, useRoles } from "./usePolicy";

/** The most that the server takes. */
const MOST = 10;

type Props = { label: string; people: People; change: (people: People) => void; why?: string | undefined };

export function PeopleField({ label, people, change, why }: Props) {
  const roles = useRoles();
  const deciders = useDeciders();
  const missing = deciders === undefined ? undefined : shortage(people, deciders);
  const deciding = roles.filter((role) => role.mayDecide || people.roles.includes(role.id));
  return (
    <Stack gap={4}>
      <Group gap="sm" align="flex-start" wrap="wrap">
        <NumberInput
          label={`${label}: how many`}
          min={1}
          max={MOST}
          w={170}
          value={people.quorum}
          disabled={why !== undefined}
          onChange={(value) => {
            const quorum = Math.round(Number(value));
            if (quorum >= 1 && quorum <= MOST) change({ ...people, quorum });
          }}
        />
        <MultiSelect
          label="Of which roles"
          placeholder={people.roles.length === 0 ? "anybody who may decide" : ""}
          data={deciding.map((role) => ({ value: role.id, label: words(role.name) }))}
          value={people.roles}
          disabled={why !== undefined}
          searchable={deciding.length > 6}
          clearable
          flex="1 1 220px"
          onChange={(next) => {
            change({ ...people, roles: next });
          }}
        />
      </Group>
      {missing === undefined ? null : (
        <Text size="xs" c="var(--quell-warn)" role="status">
          {missing}
        </Text>
      )}
    </Stack>
  );
}
