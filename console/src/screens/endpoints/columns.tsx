/// What the list of endpoints shows of each. Cells are plain elements, since thousands of them are made while one scrolls.

import { IconAlertTriangle, IconBan, IconPlugConnected, IconPlugConnectedX, IconShieldLock } from "@tabler/icons-react";
import type { ReactNode } from "react";

import type { Column } from "../../ui/DataTable";
import { clip, inert } from "../../ui/text";
import { Time } from "../../ui/Time";
import classes from "./cells.module.css";
import type { Row } from "./row";

/** A hostile text on one line, the whole of it on hover where it is cut. */
function Plain({ text, length = 80 }: { text: string; length?: number }) {
  const whole = inert(text);
  const shown = clip(whole, length);
  return <bdi {...(shown === whole ? {} : { "data-hint": clip(whole, 1200) })}>{shown === "" ? "–" : shown}</bdi>;
}

function Several({ texts }: { texts: string[] }) {
  if (texts.length === 0) return <span className={classes.quiet}>–</span>;
  const whole = texts.map(inert).join(", ");
  return (
    <bdi data-hint={clip(whole, 1200)}>
      {clip(inert(texts[0] ?? ""), 60)}
      {texts.length > 1 ? <span className={classes.quiet}> +{texts.length - 1}</span> : null}
    </bdi>
  );
}

export function Tags({ tags, shown = 3 }: { tags: string[]; shown?: number }) {
  if (tags.length === 0) return <span className={classes.quiet}>–</span>;
  const rest = tags.slice(shown).map(inert);
  return (
    <span className={classes.tags}>
      {tags.slice(0, shown).map((tag) => (
        <bdi key={tag} className={classes.tag}>
          {clip(inert(tag), 28)}
        </bdi>
      ))}
      {rest.length > 0 ? (
        <span className={classes.quiet} data-hint={clip(rest.join(", "), 1200)}>
          +{rest.length}
        </span>
      ) : null}
    </span>
  );
}

function word(tone: string, icon: ReactNode, text: string, hint?: string) {
  return (
    <span className={classes.word} data-tone={tone} {...(hint === undefined ? {} : { "data-hint": hint })}>
      {icon}
      {text}
    </span>
  );
}

/** Connected, offline or revoked; an alarm goes before. */
export function Health({ row }: { row: Pick<Row, "state" | "connected" | "alarm"> }) {
  if (row.state !== "active") return word("quiet", <IconBan size={15} aria-hidden />, "Revoked");
  if (row.alarm) {
    const hint = `${clip(inert(row.alarm), 400)} · ${row.connected ? "connected" : "offline"}`;
    return word("bad", <IconAlertTriangle size={15} aria-hidden />, "Alarm", hint);
  }
  return row.connected
    ? word("ok", <IconPlugConnected size={15} aria-hidden />, "Connected")
    : word("quiet", <IconPlugConnectedX size={15} aria-hidden />, "Offline");
}

export const columns: Column<Row>[] = [
  {
    id: "name",
    title: "Name",
    width: "minmax(150px, 1.5fr)",
    isNarrow: true,
    sort: "name",
    cell: (row) => (
      <>
        <Plain text={row.name} length={64} />
        {row.isolated ? (
          <span className={classes.onPhone}>
            {" "}
            <IconShieldLock size={15} aria-label="isolated" />
          </span>
        ) : null}
      </>
    ),
  },
  { id: "health", title: "Health", width: "132px", isNarrow: true, cell: (row) => <Health row={row} /> },
  {
    id: "isolated",
    title: "Isolation",
    width: "110px",

    cell: (row) =>
      row.isolated ? (
        word("warn", <IconShieldLock size={15} aria-hidden />, "Isolated")
      ) : (
        <span className={classes.quiet}>–</span>
      ),
  },
  {
    id: "system",
    title: "System",
    width: "minmax(110px, 1.4fr)",
    cell: (row) => <Plain text={row.system || row.os} />,
  },
  {
    id: "addresses",
    title: "Addresses",
    width: "minmax(120px, 1fr)",
    cell: (row) => <Several texts={row.addresses} />,
  },
  {
    id: "logged_on",
    title: "Logged on",
    width: "minmax(105px, 0.9fr)",
    cell: (row) => <Several texts={row.logged_on ?? []} />,
  },
  { id: "tags", title: "Tags", width: "minmax(110px, 1.2fr)", cell: (row) => <Tags tags={row.tags} shown={2} /> },
  { id: "agent", title: "Agent", width: "80px", cell: (row) => <Plain text={row.agent_version} length={20} /> },
  { id: "seen", title: "Last seen", width: "110px", sort: "last_seen", cell: (row) => <Time at={row.last_seen_at} /> },
  {
    id: "enrolled",
    title: "Enrolled",
    width: "120px",
    sort: "enrolled",
    isExtra: true,
    cell: (row) => <Time at={row.enrolled_at} />,
  },
  { id: "os", title: "OS", width: "90px", isExtra: true, cell: (row) => row.os },
  {
    id: "alarm",
    title: "Alarm",
    width: "minmax(140px, 1.6fr)",
    isExtra: true,
    cell: (row) => <Plain text={row.alarm ?? ""} length={120} />,
  },
  { id: "id", title: "Id", width: "300px", isExtra: true, cell: (row) => <code>{row.id}</code> },
];
