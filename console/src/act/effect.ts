/// What an action leaves behind, in few words.

const WORDS: Readonly<Record<string, string>> = {
  read_only: "changes nothing",
  reversible: "can be taken back",
  piecewise: "can be taken back piece by piece",
  irreversible: "cannot be taken back",
};

export function effectWords(effect: string): string {
  return WORDS[effect] ?? effect.replaceAll("_", " ");
}
