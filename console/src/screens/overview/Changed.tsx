/// What is changed now and was not undone: by whom, since when, until when, and the way back.

import { Anchor, Text, Title } from "@mantine/core";
import { IconArrowBackUp } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { useAct } from "../../act/start";
import type { Schemas } from "../../api/client";
import { useMe, whyNot } from "../../api/me";
import { Deed } from "../../ui/Deed";
import { Name } from "../../ui/Name";
import { duration, Time, useNow } from "../../ui/Time";
import { useActions } from "../tasks/catalogue";
import { UndoDialog, whyNoUndo } from "../tasks/Undo";
import { clock, type Task } from "../tasks/words";
import { group } from "./incident";
import { Calm, Part, Short, Some, TaskLink } from "./Part";
import classes from "./Overview.module.css";

type Endpoint = Schemas["Endpoint"];

/** The task by which an endpoint is isolated. */
function taskOf(endpoint: Endpoint): string | undefined {
  const { task } = (endpoint.isolation ?? {}) as { task?: string };
  return task;
}

export function Changed({ tasks, isolated }: { tasks: Task[]; isolated: Endpoint[] }) {
  const known = new Set(tasks.map((task) => task.id));
  // Isolated by something that the list of tasks does not hold: by an agent's own report.
  const others = isolated.filter((endpoint) => !known.has(taskOf(endpoint) ?? ""));
  const groups = group(tasks);
  return (
    <Part title="Changed now, not undone" all={{ to: "/endpoints?isolated=true", says: "Isolated endpoints" }}>
      {tasks.length === 0 && others.length === 0 ? (
        <Calm>
          Nothing is isolated, and nothing else that can be taken back stands. What you change appears here until
          somebody undoes it.
        </Calm>
      ) : null}
      {groups.map((each) => (
        <div key={each.title} className={classes.group}>
          <div className={classes.groupHead}>
            <Title order={3} fz="sm">
              <Name length={90}>{each.title}</Name>
            </Title>
          </div>
          <Some
            rows={each.tasks}
            most={8}
            draw={(task) => <Change key={task.id} task={task} isReasoned={each.isReference} isolated={isolated} />}
          />
        </div>
      ))}
      {others.length === 0 ? null : (
        <Some rows={others} most={8} draw={(endpoint) => <Found key={endpoint.id} endpoint={endpoint} />} />
      )}
    </Part>
  );
}

type ChangeProps = { task: Task; isReasoned: boolean; isolated: Endpoint[] };

function Change({ task, isReasoned, isolated }: ChangeProps) {
  const me = useMe();
  const action = useActions().find((each) => each.id === task.action);
  const [isUndo, setUndo] = useState(false);
  const standing = isolated.filter((endpoint) => taskOf(endpoint) === task.id).length;
  return (
    <li className={classes.row}>
      <div className={classes.what}>
        <TaskLink task={task} />
        <Short task={task} />
        <Text size="xs" c="dimmed">
          {isReasoned ? (
            <>
              <Name length={160}>{task.reason}</Name> ·{" "}
            </>
          ) : null}
          <Name length={40}>{task.requester.name}</Name>, since <Time at={task.ended_at ?? task.created_at} />
          {standing > 0 && standing < task.target_count
            ? `, stands on ${String(standing)} of ${String(task.target_count)}`
            : ""}
        </Text>
      </div>
      <Until task={task} />
      <Deed
        size="compact-sm"
        variant="default"
        leftSection={<IconArrowBackUp size={14} aria-hidden />}
        why={whyNoUndo(me, task, action)}
        onClick={() => {
          setUndo(true);
        }}
      >
        Undo
      </Deed>
      {isUndo ? (
        <UndoDialog
          task={task}
          close={() => {
            setUndo(false);
          }}
        />
      ) : null}
    </li>
  );
}

/** Until when it stands. */
function Until({ task }: { task: Task }) {
  const now = useNow();
  if (!task.revert_at) {
    return (
      <Text size="xs" c="dimmed">
        until it is undone
      </Text>
    );
  }
  const left = Date.parse(task.revert_at) - now;
  return (
    <Text size="xs">
      {left > 0 ? (
        <>
          undoes itself in <b>{duration(left)}</b>, at {clock(task.revert_at, now)}
        </>
      ) : (
        "is being undone"
      )}
    </Text>
  );
}

/** An isolation of which no task here tells. */
function Found({ endpoint }: { endpoint: Endpoint }) {
  const me = useMe();
  const act = useAct();
  const { since } = (endpoint.isolation ?? {}) as { since?: number };
  return (
    <li className={classes.row}>
      <div className={classes.what}>
        <Anchor component={Link} to={`/endpoints/${endpoint.id}`} size="sm" fw={600}>
          <Name length={80}>{endpoint.name}</Name>
        </Anchor>{" "}
        is isolated
        <Text size="xs" c="dimmed">
          as its agent reports
          {typeof since === "number" ? (
            <>
              , since <Time at={new Date(since / 1000).toISOString()} />
            </>
          ) : null}
        </Text>
      </div>
      <Deed
        size="compact-sm"
        variant="default"
        why={whyNot(me, "task.submit")}
        onClick={() => {
          act({ endpoints: [endpoint.id] });
        }}
      >
        Act
      </Deed>
    </li>
  );
}
