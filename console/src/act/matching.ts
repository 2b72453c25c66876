/// Finding an action by what is typed of it; pure, so that it can be tried in a test.

import type { Action } from "./draft";

/**
 * The actions whose name, id or summary has every word. Those come first whose name has them: `prevent run` is not the
 * action that takes it back.
 */
export function matching<A extends Pick<Action, "id" | "title" | "summary">>(actions: A[], text: string): A[] {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (words: string): boolean => wanted.every((word) => words.toLowerCase().includes(word));
  const far = ({ id, title, summary }: A): number => {
    const name = `${id} ${id.replaceAll(/[._]/g, " ")}`;
    return [title, name, `${title} ${name}`, `${title} ${name} ${summary}`].findIndex(has);
  };
  return actions
    .map((action) => ({ action, far: far(action) }))
    .filter((each) => each.far >= 0)
    .sort((one, other) => one.far - other.far)
    .map(({ action }) => action);
}
