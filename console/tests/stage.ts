/// What a test stands on: a server with people and endpoints, started for it and ended with it, and what is seen of the
/// endpoints by others than the console.

import { type ChildProcess, spawn } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { type Browser, type Page, test as base } from "@playwright/test";

/** What a stage has on it: `quell demo --stage`. */
export type Kind = "fresh" | "played" | "empty" | "crowd";

/** What a file of tests wishes for. Another wish is another stage. */
export interface Options {
  kind: Kind;
  /** Files with different names here never share a stage. */
  alone: string;
}

export interface Person {
  name: string;
  email: string;
  password: string;
  role: string;
}

export type Name = "maria" | "ana" | "arno" | "olga" | "aude";

interface Told {
  url: string;
  /** The first administrator's API key. */
  key: string;
  people: Record<Name, Person>;
  /** Ids by name. */
  endpoints: Record<string, string>;
  /** The set-up code of an empty server. */
  code?: string;
  /** The beacon's program. */
  beacon?: string;
  data: string;
}

interface Answer {
  id: number;
  error?: string;
}

/** Where the programs of this build are. */
export function programs(): string {
  const set = process.env["QUELL_PROGRAMS"];
  if (set !== undefined) return set;
  const target = process.env["CARGO_TARGET_DIR"] ?? join(homedir(), ".cache/quell/target");
  return join(target, "debug");
}

/** A server, endpoints, and a line to them. */
export class Stage {
  private next = 1;
  private readonly waiting = new Map<number, (answer: Answer) => void>();

  private constructor(
    private readonly process: ChildProcess,
    readonly told: Told,
  ) {}

  static async start(kind: Kind): Promise<Stage> {
    const child = spawn(join(programs(), "quell"), ["demo", "--stage", kind], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    let complaints = "";
    child.stderr.on("data", (text: Buffer) => (complaints += text.toString()));
    const lines = createInterface({ input: child.stdout });
    return await new Promise((resolve, reject) => {
      let stage: Stage | undefined;
      child.on("error", reject);
      child.on("exit", (code) => {
        if (stage === undefined) reject(new Error(`the stage ended with ${String(code)}: ${complaints}`));
        else stage.end();
      });
      lines.on("line", (line) => {
        if (stage !== undefined) stage.hear(line);
        else resolve((stage = new Stage(child, JSON.parse(line) as Told)));
      });
    });
  }

  get url(): string {
    return this.told.url;
  }

  person(name: Name): Person {
    return this.told.people[name];
  }

  /** Asks the endpoint's own network whether anything outside answers it. */
  async reach(endpoint: string): Promise<boolean> {
    return (await this.ask<{ reached: boolean }>({ do: "reach", endpoint })).reached;
  }

  /** Runs a shell script on the endpoint; its output. */
  async sh(endpoint: string, script: string): Promise<string> {
    const done = await this.ask<{ ok: boolean; stdout: string; stderr: string }>({ do: "sh", endpoint, script });
    if (!done.ok) throw new Error(done.stderr);
    return done.stdout;
  }

  /** Starts a process that calls home; its program's path. */
  async beacon(endpoint: string): Promise<string> {
    return (await this.ask<{ program: string }>({ do: "beacon", endpoint })).program;
  }

  /** How many processes of the beacon run there. */
  async running(endpoint: string): Promise<number> {
    return (await this.ask<{ running: number }>({ do: "running", endpoint })).running;
  }

  /** Stops the endpoint's agent, or starts it anew. */
  async agent(endpoint: string, on: boolean): Promise<void> {
    await this.ask({ do: "agent", endpoint, on });
  }

  /** Kills the server and starts it again on the same data. */
  async restart(): Promise<void> {
    await this.ask({ do: "restart" });
  }

  async mails(): Promise<{ to: string[]; subject: string; text: string }[]> {
    return (await this.ask<{ mails: { to: string[]; subject: string; text: string }[] }>({ do: "mails" })).mails;
  }

  /** Asks the API with the first administrator's key. */
  async api<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.told.key}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${String(response.status)} ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** Asks the API as a person, without a browser. */
  async as(name: Name): Promise<(method: string, path: string, body?: unknown) => Promise<Record<string, unknown>>> {
    const { email, password } = this.person(name);
    const begun = await this.send("POST", "/session", { email, password, deliver: "token" });
    const token = String(begun["token"]);
    return (method, path, body) => this.send(method, path, body, token);
  }

  private async send(method: string, path: string, body?: unknown, token?: string): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${String(response.status)} ${text}`);
    return (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null) return;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.stdin?.end();
    await ended;
  }

  private ask<T>(wish: object): Promise<T> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, (answer) => {
        if (answer.error === undefined) resolve(answer as T);
        else reject(new Error(answer.error));
      });
      this.process.stdin?.write(`${JSON.stringify({ ...wish, id })}\n`);
    });
  }

  private hear(line: string): void {
    const answer = JSON.parse(line) as Answer;
    this.waiting.get(answer.id)?.(answer);
    this.waiting.delete(answer.id);
  }

  private end(): void {
    for (const tell of this.waiting.values()) tell({ id: 0, error: "the stage has ended" });
    this.waiting.clear();
  }
}

/** Tests with a stage. What a page says of faults in its console fails the test that saw it. */
export const test = base.extend<{ faults: string[] }, Options & { stage: Stage }>({
  kind: ["fresh", { option: true, scope: "worker" }],
  alone: ["", { option: true, scope: "worker" }],
  stage: [
    async ({ kind }, provide) => {
      const stage = await Stage.start(kind);
      await provide(stage);
      await stage.stop();
    },
    { scope: "worker", timeout: 120_000 },
  ],
  baseURL: async ({ stage }, provide) => {
    await provide(stage.url);
  },
  faults: [
    async ({ page }, provide) => {
      const faults: string[] = [];
      listen(page, faults);
      await provide(faults);
      if (faults.length > 0) throw new Error(`the page complained:\n${faults.join("\n")}`);
    },
    { auto: true },
  ],
});

export { expect } from "@playwright/test";

/** Notes what a page complains about: errors, refusals of the policy, requests to others. */
export function listen(page: Page, faults: string[]): void {
  page.on("pageerror", (error) => faults.push(error.stack ?? error.message));
  page.on("console", (message) => {
    const text = message.text();
    // An answer that is no success is the server's to give, and the screen's to show.
    if (message.type() === "error" && !text.startsWith("Failed to load resource")) faults.push(text);
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (!["data:", "blob:"].includes(url.protocol) && url.hostname !== "localhost")
      faults.push(`a request to somebody else: ${request.url()}`);
  });
}

/** Signs a page's browser in without its screens; those have tests of their own. */
export async function signIn(page: Page, stage: Stage, name: Name): Promise<void> {
  const { email, password } = stage.person(name);
  const answer = await page.request.post(`${stage.url}/api/v1/session`, {
    data: { email, password },
    headers: { origin: stage.url, "sec-fetch-site": "same-origin" },
  });
  if (!answer.ok()) throw new Error(`${name} was not signed in: ${await answer.text()}`);
}

/** A page of a browser of one's own, signed in. */
export async function another(browser: Browser, stage: Stage, name: Name): Promise<Page> {
  const context = await browser.newContext({ baseURL: stage.url });
  const page = await context.newPage();
  await signIn(page, stage, name);
  return page;
}

/** The id at the end of an address. */
export function idOf(url: string): string {
  return /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(url)?.[0] ?? "";
}
