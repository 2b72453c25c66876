/// What changed between two texts, line by line (E. Myers, "An O(ND) difference algorithm and its variations", 1986).

/** A line of both, or of one of them; numbers from 1. */
export type Line = { kind: "same" | "gone" | "new"; text: string; before?: number; after?: number };

/** Edits at which the middle is told as replaced in whole: a reader would see no more. */
const MOST = 1500;

export function linesOf(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** The fewest lines gone and new that lead from `before` to `after`. */
export function diff(before: string[], after: string[]): Line[] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  const room = Math.min(before.length, after.length) - head;
  while (tail < room && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const [old, young] = [before.slice(head, before.length - tail), after.slice(head, after.length - tail)];
  const lines: Line[] = [];
  let [x, y] = [0, 0];
  const both = (): void => {
    lines.push({ kind: "same", text: after[y] ?? "", before: ++x, after: ++y });
  };
  while (y < head) both();
  for (const step of script(old, young)) {
    if (step === "same") both();
    else if (step === "gone") lines.push({ kind: "gone", text: before[x] ?? "", before: ++x });
    else lines.push({ kind: "new", text: after[y] ?? "", after: ++y });
  }
  while (y < after.length) both();
  return lines;
}

function script(old: string[], young: string[]): Line["kind"][] {
  const [n, m] = [old.length, young.length];
  const most = Math.min(n + m, MOST);
  const at = (row: Int32Array, k: number): number => row[k + most + 1] ?? 0;
  const reach = new Int32Array(2 * most + 3);
  const trace: Int32Array[] = [];
  for (let d = 0; d <= most; d += 1) {
    trace.push(reach.slice());
    for (let k = -d; k <= d; k += 2) {
      const isDown = k === -d || (k !== d && at(reach, k - 1) < at(reach, k + 1));
      let x = isDown ? at(reach, k + 1) : at(reach, k - 1) + 1;
      while (x < n && x - k < m && old[x] === young[x - k]) x += 1;
      reach[k + most + 1] = x;
      if (x >= n && x - k >= m) return back(trace, at, n, m);
    }
  }
  return [...old.map(() => "gone" as const), ...young.map(() => "new" as const)];
}

function back(trace: Int32Array[], at: (row: Int32Array, k: number) => number, n: number, m: number): Line["kind"][] {
  const steps: Line["kind"][] = [];
  let [x, y] = [n, m];
  for (let d = trace.length - 1; d >= 0; d -= 1) {
    const row = trace[d] ?? new Int32Array();
    const k = x - y;
    const isDown = k === -d || (k !== d && at(row, k - 1) < at(row, k + 1));
    const from = d === 0 ? 0 : at(row, isDown ? k + 1 : k - 1);
    const start = d === 0 ? 0 : isDown ? from : from + 1;
    for (; x > start; x -= 1, y -= 1) steps.push("same");
    if (d > 0) steps.push(isDown ? "new" : "gone");
    [x, y] = isDown ? [from, y - 1] : [from, y];
  }
  return steps.reverse();
}

/** Changes with some lines around them; what lies between is only counted. */
export function hunks(lines: Line[], around = 3): (Line[] | number)[] {
  const isNear = lines.map(() => false);
  lines.forEach((line, index) => {
    if (line.kind !== "same") isNear.fill(true, Math.max(0, index - around), index + around + 1);
  });
  const parts: (Line[] | number)[] = [];
  lines.forEach((line, index) => {
    const last = parts.at(-1);
    if (isNear[index] === true) {
      if (Array.isArray(last)) last.push(line);
      else parts.push([line]);
    } else if (typeof last === "number") parts[parts.length - 1] = last + 1;
    else parts.push(1);
  });
  return parts;
}
