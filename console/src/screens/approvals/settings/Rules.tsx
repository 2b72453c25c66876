/// The tenant's own rules, in order: the first that names action and requester decides.

import { ActionIcon, Group, MultiSelect, SegmentedControl, Stack, Text, Title, Tooltip } from "@mantine/core";
import {
  IconArrowDown,
  IconArrowUp,
  IconChevronUp,
  IconListNumbers,
  IconPencil,
  IconPlus,
  IconTrash,
} from "@tabler/icons-react";
import { useState } from "react";

import { Deed } from "../../../ui/Deed";
import { Empty } from "../../../ui/Empty";
import { inert } from "../../../ui/text";
import { ActionsField } from "./ActionsField";
import { PeopleField } from "./PeopleField";
import {
  CLASSES,
  kindOf,
  REQUIREMENTS,
  ruleWords,
  shadowedBy,
  shortage,
  type Class,
  type Names,
  type Policy,
  type Rule,
} from "./policy";
import classes from "./Settings.module.css";
import { useDeciders } from "./usePolicy";
import { Validity } from "./Validity";

type Props = { policy: Policy; change: (policy: Policy) => void; why: string | undefined; names: Names };

export function Rules({ policy, change, why, names }: Props) {
  const { rules } = policy;
  const [opened, open] = useState<number | undefined>();
  const set = (next: Rule[]): void => {
    change({ ...policy, rules: next });
  };
  const add = (): void => {
    set([...rules, { actions: [], requesters: [], require: { people: { quorum: 1, roles: [] } } }]);
    open(rules.length);
  };
  const move = (from: number, to: number): void => {
    const next = [...rules];
    const [rule] = next.splice(from, 1);
    if (rule !== undefined) next.splice(to, 0, rule);
    set(next);
    open(opened === from ? to : opened === to ? from : opened);
  };
  const button = (
    <Deed why={why} variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={add}>
      Add a rule
    </Deed>
  );
  return (
    <Stack gap="md">
      <Text size="sm" maw={760}>
        Asked from the top; the first that names the action and who asks decides. Where none does, the managed-services
        settings decide about an outside team, and nobody else is asked for anything. What changes a protected endpoint
        takes people in any case.
      </Text>
      {rules.length === 0 ? (
        <Empty icon={IconListNumbers} title="No rules" action={button}>
          People of this tenant and its programs act without being asked. A rule can want people to agree, for example
          two approvers for whatever ends processes, or let nobody do something.
        </Empty>
      ) : (
        <ol className={classes.rules}>
          {rules.map((rule, index) => (
            <li key={index} className={classes.rule} aria-label={`Rule ${String(index + 1)}`}>
              <span className={classes.number}>{index + 1}.</span>
              <RuleForm
                rule={rule}
                why={why}
                isOpen={opened === index || rule.actions.length === 0}
                words={rule.actions.length === 0 ? "Choose which actions it is about." : ruleWords(rule, names)}
                shadow={shadowedBy(rules, index)}
                change={(next) => {
                  set(rules.map((each, at) => (at === index ? next : each)));
                }}
              />
              {why === undefined ? (
                <Group gap={4} wrap="nowrap">
                  <Move
                    label={opened === index ? `Close rule ${String(index + 1)}` : `Change rule ${String(index + 1)}`}
                    icon={opened === index ? <IconChevronUp size={16} /> : <IconPencil size={16} />}
                    act={() => {
                      open(opened === index ? undefined : index);
                    }}
                  />
                  <Move
                    label={`Move rule ${String(index + 1)} up`}
                    icon={<IconArrowUp size={16} />}
                    isOff={index === 0}
                    act={() => {
                      move(index, index - 1);
                    }}
                  />
                  <Move
                    label={`Move rule ${String(index + 1)} down`}
                    icon={<IconArrowDown size={16} />}
                    isOff={index === rules.length - 1}
                    act={() => {
                      move(index, index + 1);
                    }}
                  />
                  <Move
                    label={`Remove rule ${String(index + 1)}`}
                    icon={<IconTrash size={16} />}
                    act={() => {
                      open(undefined);
                      set(rules.filter((_, at) => at !== index));
                    }}
                  />
                </Group>
              ) : null}
            </li>
          ))}
        </ol>
      )}
      {rules.length === 0 ? null : <Group>{button}</Group>}
      <div className={classes.box}>
        <Title order={2} size="h3" mb={6}>
          Confirmed at the moment of asking
        </Title>
        <ActionsField
          label="Actions that people confirm with their password, a code or a passkey"
          description="Beside those that the catalogue always wants confirmed. Programs cannot confirm, so they cannot ask for them."
          value={policy.step_up}
          why={why}
          change={(next) => {
            change({ ...policy, step_up: next });
          }}
        />
      </div>
      <Validity policy={policy} change={change} why={why} />
    </Stack>
  );
}

function Move({
  label,
  icon,
  isOff = false,
  act,
}: {
  label: string;
  icon: React.ReactNode;
  isOff?: boolean;
  act: () => void;
}) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="default" aria-label={label} disabled={isOff} onClick={act}>
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}

type FormProps = {
  rule: Rule;
  change: (rule: Rule) => void;
  why: string | undefined;
  words: string;
  isOpen: boolean;
  shadow: number | undefined;
};

function RuleForm({ rule, change, why, words, isOpen, shadow }: FormProps) {
  const deciders = useDeciders();
  const missing =
    deciders === undefined || typeof rule.require === "string" ? undefined : shortage(rule.require.people, deciders);
  return (
    <Stack gap="sm" miw={0}>
      <Text size="sm" fw={600}>
        <bdi>{inert(words)}</bdi>
      </Text>
      {isOpen ? (
        <Fields rule={rule} change={change} why={why} />
      ) : missing === undefined ? null : (
        <Warning text={missing} />
      )}
      {shadow === undefined ? null : (
        <Warning
          text={`Rule ${String(shadow + 1)} names all of this before: this rule never decides anything. Move it up, or remove it.`}
        />
      )}
    </Stack>
  );
}

function Warning({ text }: { text: string }) {
  return (
    <Text size="xs" c="var(--quell-warn)" role="status">
      {text}
    </Text>
  );
}

function Fields({ rule, change, why }: Pick<FormProps, "rule" | "change" | "why">) {
  const kind = kindOf(rule.require);
  return (
    <Stack gap="sm" miw={0}>
      <div className={classes.fields}>
        <ActionsField
          label="Actions"
          value={rule.actions}
          why={why}
          error={rule.actions.length === 0 ? "Choose at least one" : undefined}
          change={(actions) => {
            change({ ...rule, actions });
          }}
        />
        <MultiSelect
          label="Whose requests"
          placeholder={rule.requesters.length === 0 ? "everybody's" : ""}
          data={CLASSES.map((each) => ({ value: each.value, label: each.label }))}
          value={rule.requesters}
          disabled={why !== undefined}
          clearable
          onChange={(next) => {
            change({ ...rule, requesters: next as Class[] });
          }}
        />
      </div>
      <Stack gap={4}>
        <Text size="sm" fw={500}>
          What they need
        </Text>
        <SegmentedControl
          aria-label="What they need"
          value={kind}
          disabled={why !== undefined}
          data={REQUIREMENTS.map((each) => ({ value: each.value, label: each.label }))}
          onChange={(next) => {
            change({
              ...rule,
              require:
                next === "people" ? { people: { quorum: 1, roles: [] } } : (next as "nothing" | "auto" | "refused"),
            });
          }}
          style={{ alignSelf: "flex-start", maxWidth: "100%" }}
        />
        <Text size="xs" c="dimmed">
          {REQUIREMENTS.find((each) => each.value === kind)?.about}
        </Text>
      </Stack>
      {typeof rule.require === "string" ? null : (
        <PeopleField
          label="People"
          people={rule.require.people}
          why={why}
          change={(people) => {
            change({ ...rule, require: { people } });
          }}
        />
      )}
    </Stack>
  );
}
