/// What a person chose for themselves: columns, saved views.

import { useLocalStorage } from "@mantine/hooks";

/** A setting by its name, with what holds until one is chosen. */
export function useSetting<T>(name: string, initial: T): [T, (value: T) => void] {
  const [value, set] = useLocalStorage<T>({
    key: `quell.${name}`,
    defaultValue: initial,
    getInitialValueInEffect: false,
  });
  return [value, set];
}
