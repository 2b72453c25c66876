/// One process of the tree: its program, how bad, who, and how many files, connections and questions are its.

import {
  IconCpu,
  IconFile,
  IconFileOff,
  IconPackage,
  IconPlugConnected,
  IconWorldQuestion,
  type Icon,
} from "@tabler/icons-react";

import { clip, count, inert, mixed } from "../../../ui/text";
import { DetectionShape, severityLook } from "../Severity";
import type { Process } from "../types";
import { processName } from "../words";
import classes from "./graph.module.css";
import { BOX } from "./layout";
import type { Node } from "./tree";

const NAME = 18;
const USER = 12;

type Badge = { icon: Icon; text: string; about: string; isOdd?: boolean };

/** What one should know of it at a glance: oddities first, then how much it did of what. */
function badgesOf(process: Process): Badge[] {
  const of = (...kinds: string[]): number => kinds.reduce((sum, kind) => sum + (process.activity_counts[kind] ?? 0), 0);
  const counted = (icon: Icon, number: number, one: string): Badge[] =>
    number === 0 ? [] : [{ icon, text: number < 1000 ? String(number) : "999+", about: count(number, one) }];
  const { image } = process;
  return [
    ...(image?.in_memory === true
      ? [{ icon: IconCpu, text: "", about: "Its program lives in memory alone", isOdd: true }]
      : image?.nameless === true
        ? [{ icon: IconFileOff, text: "", about: "Its program has no name: deleted, or never had one", isOdd: true }]
        : []),
    ...(process.container == null ? [] : [{ icon: IconPackage, text: "", about: "In a container" }]),
    ...counted(IconFile, of("file_create", "file_write", "file_rename"), "file event"),
    ...counted(IconPlugConnected, of("connect", "listen"), "connection"),
    ...counted(IconWorldQuestion, of("dns"), "DNS question"),
  ];
}

/** The two lines of a box. */
function linesOf(process: Process): [string, string] {
  const name = clip(inert(processName(process)), NAME);
  const user = process.user == null ? "" : ` · ${clip(inert(process.user), USER)}`;
  return [mixed(processName(process)) === undefined ? name : `⚠ ${name}`, `${String(process.pid)}${user}`];
}

export function ProcessBox({ node }: { node: Node }) {
  const { process } = node;
  const [name, about] = linesOf(process);
  const [tone, Shape] = process.severity == null ? [undefined, undefined] : severityLook(process.severity);
  const line = clip(inert(process.image?.command_line ?? ""), 600);
  const isRunning = process.ended_at == null && process.image != null;
  return (
    <g data-hint={line === "" ? undefined : line} role="presentation">
      <rect width={BOX.width} height={BOX.height} rx={6} className={classes.body} />
      {tone === undefined ? null : (
        <rect width={4} height={BOX.height} rx={2} fill={`var(--quell-${tone})`} aria-hidden />
      )}
      {Shape === undefined ? null : <Shape x={12} y={8} size={15} color={`var(--quell-${tone})`} aria-hidden />}
      <text x={Shape === undefined ? 12 : 32} y={20} className={classes.name}>
        {name}
      </text>
      {process.is_key ? (
        <DetectionShape
          x={BOX.width - 30}
          y={7}
          size={17}
          stroke={2.4}
          color="var(--quell-bad)"
          data-detection
          aria-hidden
        />
      ) : null}
      {isRunning ? (
        <circle cx={15.5} cy={37.5} r={3.5} className={classes.runs} data-hint="It runs" aria-hidden />
      ) : null}
      <text x={isRunning ? 24 : 12} y={41} className={classes.small}>
        {about}
      </text>
      <Badges badges={badgesOf(process)} />
    </g>
  );
}

/** From the right edge on. */
function Badges({ badges }: { badges: Badge[] }) {
  const widths = badges.map(({ text }) => 16 + text.length * 7 + 4);
  return badges.map(({ icon: Shape, text, about, isOdd = false }, index) => {
    const right = widths.slice(index).reduce((sum, width) => sum + width, 0);
    return (
      <g
        key={about}
        className={isOdd ? classes.odd : classes.count}
        transform={`translate(${String(BOX.width - 10 - right)} 30)`}
        data-hint={about}
        aria-hidden
      >
        <Shape size={14} />
        {text === "" ? null : (
          <text x={16} y={11} className={classes.small}>
            {text}
          </text>
        )}
      </g>
    );
  });
}
