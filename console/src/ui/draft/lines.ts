/// What changes between two settings, each told as one fact a line.

export type Line = { sign: "-" | "+"; text: string };

/** Lines that are gone, then lines that are new; what stands in both is the same in both. */
export function linesBetween(was: string[], is: string[]): Line[] {
  const [before, after] = [new Set(was), new Set(is)];
  return [
    ...was.filter((text) => !after.has(text)).map((text): Line => ({ sign: "-", text })),
    ...is.filter((text) => !before.has(text)).map((text): Line => ({ sign: "+", text })),
  ];
}
