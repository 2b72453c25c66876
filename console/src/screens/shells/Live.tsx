/// A remote shell while it lives: typed into by who asked for it, looked at by others.

import { Alert, Button, Group, Text } from "@mantine/core";
import { IconPlugConnectedX, IconUsers } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";

import { api, type Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { refresh } from "../../api/query";
import { useRoom } from "../../ui/DataTable";
import { Deed } from "../../ui/Deed";
import { Names } from "../../ui/Name";
import { State } from "../../ui/State";
import { Sure } from "../../ui/Sure";
import { clip, count, inert, words } from "../../ui/text";
import { duration, useNow } from "../../ui/Time";
import { tone } from "../../ui/tone";
import { freshPen, Line, type Answer, SUBPROTOCOL, UNTAKEN, type Ending, type Link, type Standing } from "./line";
import type { Paper } from "./paper";
import { Pasting } from "./Pasting";
import { Screen } from "./Screen";
import classes from "./Shells.module.css";
import { usePaper } from "./usePaper";
import { Verbs } from "./Verbs";

export type Shell = Schemas["Shell"];

type Props = {
  shell: Shell;
  /** Whether it is the person's own: then they type. */
  types: boolean;
  /** Minutes without a key press after which it ends. */
  idle: number | undefined;
  /** Called when it is over, with the wish to see the recording. */
  replay: () => void;
};

export default function Live({ shell, types, idle, replay }: Props) {
  const me = useMe();
  const frame = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const room = useRoom(frame);
  const [turn, setTurn] = useState(0);
  const paper = usePaper(box, String(turn), { readOnly: !types });
  const line = useLine(shell.id, types, paper, box);
  const [isEnding, setEnding] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const { link, standing, ending, doubtful, pasted } = line;
  const isWriter = types && standing?.is_writer !== false;
  const name = clip(inert(shell.endpoint_name), 60);
  const end = async (): Promise<void> => {
    if (line.end()) return;
    await api.POST("/api/v1/shells/{id}/end", { params: { path: { id: shell.id } } });
  };
  return (
    <div>
      <Bar {...{ link, standing, ending, idle, isWriter, typedAt: line.typedAt, retry: line.retry }} />
      {types && !isWriter && ending === undefined ? (
        <Alert variant="outline" styles={tone("warn")} title="You type somewhere else now" mb="xs" p="sm">
          <Group gap="sm">
            <Text size="sm">Another window of yours came to this shell later. This one looks on.</Text>
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => {
                setTurn(turn + 1);
              }}
            >
              Type here
            </Button>
          </Group>
        </Alert>
      ) : null}
      {doubtful > 0 ? (
        <Alert variant="outline" styles={tone("warn")} title="Look at what arrived" mb="xs" p="sm">
          {count(doubtful, "byte")} that you typed before the connection broke may not have arrived. Nothing is sent
          twice.
        </Alert>
      ) : null}
      <div ref={frame}>
        <Screen
          label={`Terminal of ${name}`}
          box={box}
          paper={paper}
          height={Math.max(room - 80, 240)}
          takesKeys={types}
        >
          {isWriter && ending === undefined ? (
            <Button
              size="xs"
              variant="default"
              ml="auto"
              onClick={() => {
                setAsking(true);
              }}
            >
              Ask the agent…
            </Button>
          ) : null}
          {ending === undefined ? (
            <Deed
              size="xs"
              variant="default"
              c="var(--quell-bad)"
              why={isWriter ? undefined : whyNot(me, "task.cancel")}
              onClick={() => {
                setEnding(true);
              }}
            >
              End…
            </Deed>
          ) : (
            <Button size="xs" onClick={replay}>
              Look at the recording
            </Button>
          )}
        </Screen>
      </div>
      {pasted === undefined ? null : (
        <Pasting
          text={pasted}
          most={UNTAKEN}
          close={(isWanted) => {
            line.paste(isWanted);
          }}
        />
      )}
      {isAsking ? (
        <Verbs
          shell={shell.id}
          ask={line.ask}
          answer={line.answer}
          close={() => {
            setAsking(false);
          }}
        />
      ) : null}
      {isEnding ? (
        <Sure
          title={`End the shell on ${name}`}
          deed="End it"
          act={end}
          close={() => {
            setEnding(false);
          }}
        >
          <Text size="sm">
            All that runs in it is ended, on {name}, at once. What was shown and typed stays in the recording. Whoever
            is there is told that you did it.
          </Text>
        </Sure>
      ) : null}
    </div>
  );
}

type BarProps = {
  link: Link;
  standing: Standing | undefined;
  ending: Ending | undefined;
  idle: number | undefined;
  isWriter: boolean;
  typedAt: number | undefined;
  retry: () => void;
};

/** Milliseconds before a limit at which it is said louder. */
const SOON = 120_000;

/** How it stands, in one line. */
function Bar({ link, standing, ending, idle, isWriter, typedAt, retry }: BarProps) {
  const now = useNow();
  if (ending !== undefined) {
    return (
      <div className={classes.bar} role="status">
        <State state="expired" label="Over" />
        <span>{sayEnding(ending)}</span>
      </div>
    );
  }
  const left = standing !== undefined && standing.ends_us > 0 ? standing.ends_us / 1000 - now : undefined;
  const quiet = idle === undefined || typedAt === undefined ? undefined : typedAt + idle * 60_000 - now;
  const others = (standing?.people ?? []).filter((person) => !person.is_writer).map(({ name }) => name);
  return (
    <div className={classes.bar}>
      <span role="status">
        <LinkState link={link} state={standing?.state} />
      </span>
      {link === "gone" ? (
        <Button
          size="compact-xs"
          variant="default"
          leftSection={<IconPlugConnectedX size={14} aria-hidden />}
          onClick={retry}
        >
          Try again
        </Button>
      ) : null}
      {isWriter ? null : <span>you look on</span>}
      {others.length > 0 ? (
        <Group gap={4} component="span" display="inline-flex">
          <IconUsers size={15} aria-hidden />
          <span>
            {isWriter ? "" : "with "}
            <Names length={30}>{others}</Names>
            {isWriter ? ` ${others.length === 1 ? "looks" : "look"} on` : ""}
          </span>
        </Group>
      ) : null}
      {left === undefined ? null : <Left left={left} words="left" />}
      {isWriter && idle !== undefined ? (
        quiet === undefined ? (
          <Text span size="sm" c="dimmed">
            ends after {idle} min without a key
          </Text>
        ) : (
          <Left left={quiet} words="left without a key" />
        )
      ) : null}
    </div>
  );
}

function Left({ left, words: said }: { left: number; words: string }) {
  return (
    <Text span size="sm" c={left < SOON ? "var(--quell-warn)" : "dimmed"} fw={left < SOON ? 600 : 400}>
      {/* Minutes until the last few: a clock that runs draws the eye. */}
      {left < SOON ? duration(Math.max(left, 0)) : `${String(Math.ceil(left / 60_000))} min`} {said}
    </Text>
  );
}

function LinkState({ link, state }: { link: Link; state: string | undefined }) {
  if (link === "connecting") return <State state="queued" label="Connecting" />;
  if (link === "broken") return <State state="partial" label="Connection broke; coming back" />;
  if (link === "gone") return <State state="failed" label="No connection" />;
  if (state === "lost") return <State state="partial" label="The endpoint is away; what you type waits for it" />;
  if (state === "waiting") return <State state="queued" label="Waits for the endpoint" />;
  return <State state="succeeded" label="Connected" />;
}

/** `exited, exit code 3`. */
export function sayEnding({ reason, by, exit_code, signal }: Ending): string {
  const parts = [reason === "over" ? "it ended meanwhile" : words(reason)];
  if (exit_code !== null && reason === "exited") parts.push(`exit code ${String(exit_code)}`);
  if (signal !== null) parts.push(`signal ${String(signal)}`);
  if (by !== "") parts.push(`by ${clip(inert(by), 60)}`);
  return parts.join(", ");
}

/** What came by paste and is more than a line: it would run at once. */
// eslint-disable-next-line no-control-regex
const ASKS = /[\u0000-\u0008\u000a-\u001f\u007f]/;

type Hold = { line: Line; paper: Paper };

/** The connection, and what it says; given to the terminal and taken from it. */
function useLine(id: string, types: boolean, paper: Paper | undefined, box: React.RefObject<HTMLElement | null>) {
  const hold = useRef<Hold | undefined>(undefined);
  const [link, setLink] = useState<Link>("connecting");
  const [standing, setStanding] = useState<Standing>();
  const [ending, setEnding] = useState<Ending>();
  const [doubtful, setDoubtful] = useState(0);
  const [typedAt, setTypedAt] = useState<number>();
  const [pasted, setPasted] = useState<string>();
  const [answer, setAnswer] = useState<Answer>();
  useEffect(() => {
    const element = box.current;
    if (paper === undefined || element === null) return undefined;
    const { terminal } = paper;
    let past = 0;
    const line = new Line(
      {
        open: (query) => {
          const url = new URL(`/api/v1/shells/${encodeURIComponent(id)}/attach?${query}`, window.location.href);
          url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
          return new WebSocket(url, SUBPROTOCOL);
        },
        isOver: async () => {
          const { data } = await api.GET("/api/v1/shells/{id}", { params: { path: { id } } });
          return data?.state === "ended";
        },
      },
      {
        link: setLink,
        output: (bytes, isPast, shown) => {
          if (!isPast) {
            terminal.write(bytes, shown);
            return;
          }
          past += 1;
          paper.mute(true);
          terminal.write(bytes, () => {
            past -= 1;
            if (past === 0) paper.mute(false);
            shown();
          });
        },
        standing: (now) => {
          setStanding(now);
          if (!now.is_writer && now.cols > 0 && now.rows > 0) terminal.resize(now.cols, now.rows);
        },
        taken: () => {
          setTypedAt(Date.now());
        },
        doubtful: setDoubtful,
        answer: setAnswer,
        ended: (told) => {
          setEnding(told);
          terminal.options.disableStdin = true;
          void refresh("/api/v1/shells", "/api/v1/tasks", "/api/v1/commands");
        },
      },
      types ? freshPen() : undefined,
    );
    hold.current = { line, paper };
    const free = types ? typing(paper, line, element, setPasted) : [];
    const online = (): void => {
      line.retry();
    };
    window.addEventListener("online", online);
    if (types) terminal.focus();
    return () => {
      hold.current = undefined;
      window.removeEventListener("online", online);
      for (const each of free) each();
      line.close();
    };
  }, [id, types, paper, box]);
  return {
    link,
    standing,
    ending,
    doubtful,
    typedAt,
    pasted,
    answer,
    ask: (verb: string, words: string[]) => hold.current?.line.ask(verb, words),
    retry: () => hold.current?.line.retry(),
    /** Ends the shell as who types; `false` where that is somebody else. */
    end: () => types && standing?.is_writer === true && hold.current?.line.end() === true,
    paste: (isWanted: boolean) => {
      if (isWanted && pasted !== undefined) hold.current?.paper.terminal.paste(pasted);
      setPasted(undefined);
      // After the dialog has given the focus back.
      window.setTimeout(() => hold.current?.paper.terminal.focus(), 50);
    },
  };
}

/** Keys, pastes and the size, from the terminal to the line; how to stop. */
function typing({ terminal, fit }: Paper, line: Line, element: HTMLElement, ask: (text: string) => void) {
  const encoder = new TextEncoder();
  const typed = terminal.onData((text) => {
    line.type(encoder.encode(text));
  });
  const pressed = terminal.onBinary((text) => {
    line.type(Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
  });
  const pasting = (event: ClipboardEvent): void => {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (!ASKS.test(text) && text.length <= UNTAKEN / 4) return;
    event.preventDefault();
    event.stopPropagation();
    ask(text);
  };
  const measure = (): void => {
    fit.fit();
    line.resize(terminal.cols, terminal.rows);
  };
  const observer = new ResizeObserver(measure);
  observer.observe(element);
  measure();
  element.addEventListener("paste", pasting, true);
  return [
    () => {
      typed.dispose();
      pressed.dispose();
    },
    () => {
      observer.disconnect();
      element.removeEventListener("paste", pasting, true);
    },
  ];
}
