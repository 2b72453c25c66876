/// The approval policy as the server keeps it, told in words, so that two of them can be compared.

import { linesBetween, type Line } from "../../../ui/draft/lines";
import { longWords, words } from "../../../ui/text";

export type People = { quorum: number; roles: string[] };
export type Requirement = "nothing" | "auto" | "refused" | { people: People };
export type Class = "staff" | "operations" | "automation" | "system";
export type Rule = { actions: string[]; requesters: Class[]; require: Requirement };
/** How long an approval of these actions is good at most. */
export type Validity = { actions: string[]; seconds: number };
export type Policy = {
  rules: Rule[];
  managed: { auto_approve: boolean; actions: string[]; scope: "all" | "selected"; people: People };
  protected: { tags: string[]; people: People };
  step_up: string[];
  valid_for: Validity[];
};

/** Settings that were stored before something could be set, with what holds where it is not. */
export function whole(policy: Omit<Policy, "valid_for"> & { valid_for?: Validity[] }): Policy {
  return { ...policy, valid_for: policy.valid_for ?? [] };
}

export const CLASSES: { value: Class; label: string; about: string }[] = [
  { value: "staff", label: "Staff", about: "people of this tenant" },
  { value: "operations", label: "Outside team", about: "whoever has the role operations, and guests" },
  { value: "automation", label: "Programs", about: "API keys of this tenant" },
];

export const REQUIREMENTS: { value: "nothing" | "auto" | "people" | "refused"; label: string; about: string }[] = [
  { value: "nothing", label: "Nothing", about: "carried out at once" },
  { value: "auto", label: "Automatic", about: "approved by the rule, and told" },
  { value: "people", label: "People", about: "waits until people agree" },
  { value: "refused", label: "Nobody may", about: "refused, whoever asks" },
];

/** How names are shown to people: of actions, and of roles. */
export type Names = { action: (id: string) => string; role: (id: string) => string };

export function kindOf(require: Requirement): "nothing" | "auto" | "people" | "refused" {
  return typeof require === "string" ? require : "people";
}

function listed(names: string[]): string {
  return names.join(", ");
}

function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `2 people of approver, security officer`. */
export function peopleWords(people: People, names: Names): string {
  const number = people.quorum === 1 ? "1 person" : `${String(people.quorum)} people`;
  return people.roles.length === 0
    ? `${number} who may decide`
    : `${number} of ${listed(people.roles.map(names.role))}`;
}

export function classWords(classes: Class[]): string {
  if (classes.length === 0) return "everybody";
  return listed(classes.map((each) => CLASSES.find((one) => one.value === each)?.label.toLowerCase() ?? words(each)));
}

export function requireWords(require: Requirement, names: Names): string {
  if (typeof require !== "string") return `${peopleWords(require.people, names)} must agree`;
  return { nothing: "nothing is asked", auto: "approved by the rule, and told", refused: "nobody may" }[require];
}

export function ruleWords(rule: Rule, names: Names): string {
  return `${upper(listed(rule.actions.map(names.action)))} by ${classWords(rule.requesters)}: ${requireWords(rule.require, names)}`;
}

/** One fact a line; what stands in both of two policies is the same in both. */
export function describe(policy: Policy, names: Names): string[] {
  const { managed } = policy;
  return [
    ...policy.rules.map((rule, index) => `Rule ${String(index + 1)}: ${ruleWords(rule, names)}`),
    ...(policy.rules.length === 0 ? ["No rules"] : []),
    `Outside team, automatic approval: ${managed.auto_approve ? "on" : "off"}`,
    ...[...managed.actions]
      .sort()
      .map((action) => `Outside team, may be approved automatically: ${names.action(action)}`),
    `Outside team, where: ${managed.scope === "all" ? "all endpoints but the exceptions" : "only the selected endpoints"}`,
    `Outside team, else: ${peopleWords(managed.people, names)} must agree`,
    ...[...policy.protected.tags].sort().map((tag) => `Protected tag: ${tag}`),
    `Protected endpoints: ${peopleWords(policy.protected.people, names)} must agree`,
    ...[...policy.step_up].sort().map((action) => `Confirmed at the moment of asking: ${names.action(action)}`),
    ...policy.valid_for.map(
      (each, index) =>
        `Validity ${String(index + 1)}: an approval of ${listed(each.actions.map(names.action))} is good for ${longWords(each.seconds)} at most`,
    ),
  ];
}

/** What changes between two policies, in their order. */
export function changes(before: Policy, after: Policy, names: Names): Line[] {
  return linesBetween(describe(before, names), describe(after, names));
}

/** Somebody who may decide: which human, with which roles. */
export type Decider = { human: string; roles: string[] };

/** What cannot be met by those who are there, in words; nothing where it can. */
export function shortage(people: People, deciders: Decider[]): string | undefined {
  const fitting = deciders.filter(
    (one) => people.roles.length === 0 || one.roles.some((role) => people.roles.includes(role)),
  );
  const humans = new Set(fitting.map((one) => one.human)).size;
  if (humans < people.quorum) {
    const there =
      humans === 0
        ? "nobody here may"
        : humans === 1
          ? "only 1 person here may"
          : `only ${String(humans)} people here may`;
    return `It asks for ${String(people.quorum)}, and ${there} decide so. What it names would wait until it ends.`;
  }
  if (humans === people.quorum)
    return `Exactly ${String(humans)} can: when one of them asks, is away or leaves, nothing that it names begins.`;
  return undefined;
}

/** Why a later rule never decides anything: one before it names all of it. */
export function shadowedBy(rules: Rule[], index: number): number | undefined {
  const rule = rules[index];
  if (rule === undefined) return undefined;
  const covers = (names: string[], name: string): boolean =>
    names.includes("*") || names.includes(name) || (name !== "*" && names.includes(`${name.split(".")[0] ?? ""}.*`));
  const found = rules.slice(0, index).findIndex((earlier) => {
    const isWho =
      earlier.requesters.length === 0 ||
      (rule.requesters.length > 0 && rule.requesters.every((each) => earlier.requesters.includes(each)));
    return isWho && rule.actions.length > 0 && rule.actions.every((action) => covers(earlier.actions, action));
  });
  return found < 0 ? undefined : found;
}
