/// What an outside team may do without a person of the tenant agreeing.

import { Checkbox, Group, Radio, Stack, Switch, Text, Title, UnstyledButton } from "@mantine/core";

import type { Schemas } from "../../../api/client";
import { count } from "../../../ui/text";
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

const GROUPS = [
  { id: "critical", title: "Critical", about: "What stops an attack under way." },
  { id: "recommended", title: "Recommended", about: "What helps to find out, and to clean up." },
];

export function Managed({ settings, policy, change, why }: Props) {
  const { managed } = policy;
  const set = (part: Partial<Policy["managed"]>): void => {
    change({ ...policy, managed: { ...managed, ...part } });
  };
  const tick = (actions: string[], isOn: boolean): void => {
    const others = managed.actions.filter((action) => !actions.includes(action));
    const next = isOn ? [...others, ...actions] : others;
    // In the order of the catalogue, so that nothing seems changed that is not.
    set({ actions: settings.offered.map((one) => one.action).filter((action) => next.includes(action)) });
  };
  return (
    <Stack gap={0}>
      <div className={classes.box}>
        <Switch
          label="Approve automatically what an outside team asks for, where it is ticked below"
          description="Off: a person of the tenant agrees to each request of the role operations, and of guests. Each automatic approval is told to those who decide, and stands in the audit trail."
          checked={managed.auto_approve}
          disabled={why !== undefined}
          onChange={(event) => {
            set({ auto_approve: event.currentTarget.checked });
          }}
        />
      </div>
      <div className={classes.box}>
        <Title order={2} size="h3" mb={4}>
          Which actions
        </Title>
        <Text size="sm" c="dimmed" mb="sm">
          {managed.auto_approve
            ? "What is ticked is approved at once."
            : "Holds once automatic approval is on; until then a person agrees to each."}{" "}
          At least one stays ticked.
        </Text>
        <div className={classes.fields}>
          {GROUPS.map((group) => (
            <Ticks
              key={group.id}
              title={group.title}
              about={group.about}
              offered={settings.offered.filter((one) => one.group === group.id)}
              ticked={managed.actions}
              tick={tick}
              why={why}
            />
          ))}
        </div>
      </div>
      <div className={classes.box}>
        <Radio.Group
          label="On which endpoints"
          value={managed.scope}
          onChange={(next) => {
            set({ scope: next === "selected" ? "selected" : "all" });
          }}
        >
          <Stack gap="xs" mt={6}>
            <Radio
              value="all"
              disabled={why !== undefined}
              label={`All, with exceptions (${count(size(settings, "except"), "endpoint")} on the list of exceptions)`}
            />
            <Radio
              value="selected"
              disabled={why !== undefined}
              label={`Selected ones only (${count(size(settings, "only"), "endpoint")} on the list of selected ones)`}
            />
          </Stack>
        </Radio.Group>
        {managed.scope === "selected" && size(settings, "only") === 0 ? (
          <Text size="xs" c="var(--quell-warn)" mt={6} role="status">
            No endpoint is selected: nothing is approved automatically.
          </Text>
        ) : null}
      </div>
      <div className={classes.box}>
        <Title order={2} size="h3" mb={8}>
          Who agrees to everything else
        </Title>
        <PeopleField
          label="People"
          people={managed.people}
          why={why}
          change={(people) => {
            set({ people });
          }}
        />
      </div>
      <Lists lists={managed.scope === "all" ? ["except", "only"] : ["only", "except"]} settings={settings} why={why} />
    </Stack>
  );
}

export function size(settings: Schemas["ApprovalSettings"], list: string): number {
  return settings.lists.find((one) => one.list === list)?.endpoints ?? 0;
}

type GroupProps = {
  title: string;
  about: string;
  offered: Schemas["Offered"][];
  ticked: string[];
  tick: (actions: string[], isOn: boolean) => void;
  why: string | undefined;
};

function Ticks({ title, about, offered, ticked, tick, why }: GroupProps) {
  const on = offered.filter((one) => ticked.includes(one.action));
  const isLast = (action: string): boolean => ticked.length === 1 && ticked[0] === action;
  if (offered.length === 0) return null;
  return (
    <fieldset style={{ border: 0, margin: 0, padding: 0, minWidth: 0 }}>
      <legend style={{ padding: 0 }}>
        <Text size="sm" fw={600}>
          {title}
        </Text>
      </legend>
      <Text size="xs" c="dimmed" mb={6}>
        {about}
      </Text>
      <Stack gap={8}>
        {offered.map((one) => (
          <Checkbox
            key={one.action}
            label={one.title}
            description={one.action}
            checked={ticked.includes(one.action)}
            disabled={why !== undefined || isLast(one.action)}
            onChange={(event) => {
              tick([one.action], event.currentTarget.checked);
            }}
          />
        ))}
      </Stack>
      {why === undefined ? (
        <Group gap="sm" mt={8}>
          <UnstyledButton
            c="var(--mantine-color-anchor)"
            fz="sm"
            mih={24}
            onClick={() => {
              tick(
                offered.map((one) => one.action),
                on.length < offered.length,
              );
            }}
          >
            {on.length < offered.length ? `Tick all of ${title.toLowerCase()}` : `Untick all of ${title.toLowerCase()}`}
          </UnstyledButton>
        </Group>
      ) : null}
    </fieldset>
  );
}
