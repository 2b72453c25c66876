/// What must not be touched lightly: protected endpoints, and who agrees to what changes them.

import { Stack, TagsInput, Text, Title } from "@mantine/core";

import type { Schemas } from "../../../api/client";
import { Lists } from "./Lists";
import { PeopleField } from "./PeopleField";
import type { Policy } from "./policy";
import classes from "./Settings.module.css";

type Props = {
  settings: Schemas["ApprovalSettings"];
  policy: Policy;
  change: (policy: Policy) => void;
  why: string | undefined;
};

export function Protected({ settings, policy, change, why }: Props) {
  const guarded = policy.protected;
  const set = (part: Partial<Policy["protected"]>): void => {
    change({ ...policy, protected: { ...guarded, ...part } });
  };
  return (
    <Stack gap={0}>
      <div className={classes.box}>
        <Text size="sm" mb="sm">
          Protected are the server’s own machine, endpoints with one of these tags, and those on the list. What changes
          them takes people, whoever asks and whatever a rule or the automatic approval would say; what only reads does
          not.
        </Text>
        <TagsInput
          label="Tags"
          description="Enter adds one."
          value={guarded.tags}
          disabled={why !== undefined}
          maxTags={256}
          onChange={(tags) => {
            set({ tags });
          }}
        />
      </div>
      <div className={classes.box}>
        <Title order={2} size="h3" mb={8}>
          Who agrees
        </Title>
        <PeopleField
          label="People"
          people={guarded.people}
          why={why}
          change={(people) => {
            set({ people });
          }}
        />
      </div>
      <Lists lists={["protected"]} settings={settings} why={why} />
    </Stack>
  );
}
