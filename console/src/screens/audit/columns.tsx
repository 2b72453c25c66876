/// What a list of records shows of each.

import { IconAlertTriangle } from "@tabler/icons-react";

import type { Column } from "../../ui/DataTable";
import { clip, inert, words } from "../../ui/text";
import { Time } from "../../ui/Time";
import classes from "./audit.module.css";
import { isFine, type AuditRecord } from "./record";

function Plain({ text, length = 60, hint }: { text: string; length?: number; hint?: string }) {
  const whole = inert(text);
  const shown = clip(whole, length);
  const told = hint ?? (shown === whole ? undefined : clip(whole, 1200));
  return <bdi {...(told === undefined ? {} : { "data-hint": told })}>{shown === "" ? "–" : shown}</bdi>;
}

export function Outcome({ outcome }: { outcome: string }) {
  if (isFine(outcome)) return <span className={classes.fine}>{clip(inert(words(outcome)), 40)}</span>;
  return (
    <span className={classes.told}>
      <IconAlertTriangle size={14} aria-hidden /> <Plain text={words(outcome)} length={40} />
    </span>
  );
}

export const columns: Column<AuditRecord>[] = [
  {
    id: "verb",
    title: "What",
    width: "minmax(150px, 1.2fr)",
    isNarrow: true,
    cell: (record) => <Plain text={record.verb} hint={words(record.verb)} />,
  },
  { id: "at", title: "When", width: "104px", isNarrow: true, cell: (record) => <Time at={record.at} /> },
  {
    id: "actor",
    title: "Who",
    width: "minmax(120px, 1.2fr)",
    cell: (record) => (
      <>
        <Plain text={record.actor_name || `…${record.actor_id.slice(-12)}`} length={40} />{" "}
        <span className={classes.quiet}>{clip(inert(words(record.actor_kind)), 20)}</span>
      </>
    ),
  },
  {
    id: "object",
    title: "To what",
    width: "minmax(150px, 1.2fr)",
    cell: (record) => (
      <>
        <span className={classes.quiet}>{clip(inert(words(record.object_kind)), 24)}</span>{" "}
        <code data-hint={clip(inert(record.object_id), 200)}>
          {record.object_id.length > 16 ? `…${inert(record.object_id.slice(-12))}` : inert(record.object_id)}
        </code>
      </>
    ),
  },
  {
    id: "outcome",
    title: "Outcome",
    width: "minmax(100px, 0.8fr)",
    isNarrow: true,
    cell: (record) => <Outcome outcome={record.outcome} />,
  },
  {
    id: "remote",
    title: "From",
    width: "minmax(100px, 0.7fr)",
    cell: (record) => <Plain text={record.remote ?? ""} length={40} />,
  },
  {
    id: "request",
    title: "Request",
    width: "130px",
    isExtra: true,
    cell: (record) => (
      <code data-hint={record.request_id ?? ""}>{record.request_id ? `…${record.request_id.slice(-12)}` : "–"}</code>
    ),
  },
  { id: "id", title: "Id", width: "300px", isExtra: true, cell: (record) => <code>{record.id}</code> },
];
