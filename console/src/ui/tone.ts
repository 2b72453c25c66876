/// The tones of states, for what the component library would draw in a paler shade.

export type Tone = "ok" | "warn" | "bad" | "busy" | "quiet";

/** `styles` of an `Alert` whose title and icon can be read in both themes. */
export function tone(name: Tone) {
  const color = `var(--quell-${name})`;
  return { title: { color }, icon: { color }, root: { borderColor: color } };
}
