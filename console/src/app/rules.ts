/// Which words of an address are understood: what is not is said and left out, never quietly taken for another list.

import type { Search } from "./url";

/** Whether a value is one that the screen knows. */
export type Rule = (value: string) => boolean;

export function oneOf(values: readonly string[]): Rule {
  return (value) => values.includes(value);
}

/** Several with commas. */
export function someOf(values: readonly string[]): Rule {
  return (value) => value.split(",").every((each) => values.includes(each));
}

export const FLAG = oneOf(["true", "false"]);

export const ID: Rule = (value) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value);

export type Odd = { name: string; value: string };

/** The words that are understood, and those that are not. Words without a rule are somebody else's. */
export function sift(search: Search, rules: Record<string, Rule>): [Search, Odd[]] {
  const odd = Object.entries(search).flatMap(([name, value]) => {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    return value && rule?.(value) === false ? [{ name, value }] : [];
  });
  const left = new Set(odd.map(({ name }) => name));
  return [Object.fromEntries(Object.entries(search).filter(([name]) => !left.has(name))), odd];
}
