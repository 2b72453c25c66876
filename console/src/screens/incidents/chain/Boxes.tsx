/// The processes and the lines between them, as far as they are seen.

import { memo } from "react";

import { clip, inert } from "../../../ui/text";
import type { Chain } from "../types";
import classes from "./graph.module.css";
import { BOX, path, type Box, type Edge } from "./layout";
import { ProcessBox } from "./ProcessBox";
import { count } from "../../../ui/text";

type Props = {
  id: string;
  boxes: Box[];
  edges: Edge[];
  part: { left: number; top: number; right: number; bottom: number };
  active: string | undefined;
  hits: ReadonlySet<string>;
  /** The chains, where there are several to tell apart. */
  names: Chain[];
  stand: (box: Box) => void;
  toggle: (box: Box) => void;
};

export function Boxes({ id, boxes, edges, part, active, hits, names, stand, toggle }: Props) {
  const isSeen = (box: Box): boolean =>
    box.x + BOX.width >= part.left && box.x <= part.right && box.y + BOX.height >= part.top && box.y <= part.bottom;
  const isCrossed = ({ from, to }: Edge): boolean =>
    from.x <= part.right && to.x >= part.left && from.y <= part.bottom && to.y >= part.top;
  return (
    <>
      {edges.filter(isCrossed).map((edge) => (
        <path key={edge.id} d={path(edge)} className={classes.edge} data-leads={edge.leads || undefined} aria-hidden />
      ))}
      {boxes
        .filter((box) => isSeen(box) || box.id === active)
        .map((box) => (
          <g
            key={box.id}
            id={`${id}${box.id}`}
            role="treeitem"
            aria-level={box.depth + 1}
            aria-posinset={box.place}
            aria-setsize={box.of}
            aria-selected={box.id === active}
            {...(box.kind === "more" || box.node.children.length > 0 ? { "aria-expanded": box.isOpen } : {})}
            aria-description={about(box)}
            transform={`translate(${String(box.x)} ${String(box.y)})`}
            className={classes.box}
            data-active={box.id === active || undefined}
            data-hit={hits.has(box.id) || undefined}
            data-key={box.kind === "process" && box.node.process.is_key ? true : undefined}
            data-pid={box.kind === "process" ? box.node.process.pid : undefined}
            onClick={() => {
              if (box.kind === "more") toggle(box);
              else stand(box);
            }}
          >
            {box.depth === 0 && names.length > 0 ? <Chained box={box} names={names} /> : null}
            {box.kind === "more" ? <More hidden={box.hidden} /> : <Process node={box.node} />}
            {box.kind === "process" && box.node.children.length > 0 ? <Knob box={box} toggle={toggle} /> : null}
          </g>
        ))}
    </>
  );
}

const Process = memo(ProcessBox);

/** On which endpoint a tree is, above its root. */
function Chained({ box, names }: { box: Box; names: Chain[] }) {
  const chain = names.find(({ id }) => id === box.node.process.chain);
  return (
    <text x={2} y={-6} className={classes.small}>
      {clip(inert(chain?.endpoint.name ?? ""), 40)}
    </text>
  );
}

function More({ hidden }: { hidden: number }) {
  return (
    <>
      <rect width={BOX.width} height={BOX.height} rx={6} className={classes.more} />
      <text x={14} y={31} className={classes.link}>
        {hidden.toLocaleString("en")} more without a key event
      </text>
    </>
  );
}

/** Opens what stands below, and folds it; by keys the box itself does. */
function Knob({ box, toggle }: { box: Box; toggle: (box: Box) => void }) {
  const label = box.isOpen ? "−" : `+${box.node.below.toLocaleString("en")}`;
  const width = Math.max(24, 12 + label.length * 8);
  return (
    <g
      className={classes.knob}
      transform={`translate(${String(BOX.width - 2)} ${String(BOX.height / 2 - 12)})`}
      aria-hidden
      data-hint={box.isOpen ? "Fold what it started" : `Open: ${count(box.node.below, "process", "processes")} below`}
      onClick={(event) => {
        event.stopPropagation();
        toggle(box);
      }}
    >
      <rect width={width} height={24} rx={12} data-worst={box.isOpen ? undefined : box.node.worstBelow} />
      <text x={width / 2} y={16.5} textAnchor="middle">
        {label}
      </text>
    </g>
  );
}

/** What is not drawn as words; what is, the box is called by. */
function about(box: Box): string | undefined {
  if (box.kind === "more") return undefined;
  const { process, below } = box.node;
  return [
    clip(inert(process.image?.path ?? "unknown program"), 80),
    process.is_key ? "detection" : "",
    process.severity == null ? "" : `severity ${process.severity}`,
    process.ended_at == null ? "" : "ended",
    process.image?.in_memory === true
      ? "in memory alone"
      : process.image?.nameless === true
        ? "its program has no name"
        : "",
    below > 0 ? `${String(below)} below` : "",
  ]
    .filter((part) => part !== "")
    .join(", ");
}
