/// Every screen of the console with an address of its own, found where screens list themselves, so that no new one is
/// left out.

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, type Page } from "@playwright/test";

import { programs, type Stage } from "./stage";

export interface Screen {
  /** `task`, `settings-people`: the name of its pictures. */
  name: string;
  /** Where it is, with something to show. */
  path: string;
  isPublic: boolean;
}

/** Shown where nobody was ever set up, or behind a link of a mail: looked at by the tests of these ways. */
const ELSEWHERE = ["/set-up", "/setup", "/redeem", "/sign-in/cli", "/sso"];

interface Listed {
  items: Record<string, unknown>[];
}

/** All of them; those of single things where something happened, whose things they can show. */
export async function screens(stage: Stage, happened = true): Promise<Screen[]> {
  const folder = join(import.meta.dirname, "../src/screens");
  const found: Screen[] = [];
  for (const name of readdirSync(folder)) {
    const text = readFileSync(join(folder, name, "index.ts"), "utf8");
    for (const entry of text.split(/(?=\{[^{}]*?\bpath:)/).slice(1)) {
      const path = /\bpath:\s*"([^"]+)"/.exec(entry)?.[1];
      if (path === undefined || ELSEWHERE.some((start) => path.startsWith(start))) continue;
      if (!happened && path.includes("$")) continue;
      const isPublic = /isPublic:\s*true/.test(entry.split(/\bpath:/)[1] ?? "");
      const full = await filled(path, stage);
      if (full !== undefined) found.push({ name: title(path), path: full, isPublic });
    }
  }
  return found;
}

/** `task` for `/tasks/$id`, `settings-people-one` where the plural has no `s`. */
function title(path: string): string {
  if (path === "/") return "overview";
  return path
    .slice(1)
    .replace(/s\/\$\w+$/, "")
    .replace(/\/\$\w+$/, "-one")
    .replace(/\/\$\w+/g, "")
    .replaceAll("/", "-");
}

/** The path with values for its parameters; nothing where the stage has none of that kind. */
async function filled(path: string, stage: Stage): Promise<string | undefined> {
  let full = path;
  for (const [part, name] of path.matchAll(/\$(\w+)/g)) {
    const before = path.slice(0, path.indexOf(part));
    const found = await value(before, name ?? "", stage);
    if (found === undefined) return undefined;
    full = full.replace(part, encodeURIComponent(found));
  }
  return full;
}

async function value(before: string, name: string, stage: Stage): Promise<string | undefined> {
  const first = async (path: string, field = "id"): Promise<string> => {
    const item = (await stage.api<Listed>("GET", path)).items[0];
    if (item === undefined) throw new Error(`nothing at ${path} to show`);
    return String(item[field]);
  };
  const any = async (path: string, field = "id"): Promise<string | undefined> => {
    const item = (await stage.api<Listed>("GET", path)).items[0];
    return item === undefined ? undefined : String(item[field]);
  };
  switch (before) {
    // Without an intrusion there is none; their own tests look at these screens.
    case "/incidents/":
      return await any("/incidents?limit=1", "number");
    case "/response-plans/":
      return await any("/response-plans?limit=1");
    case "/tasks/":
      return await first("/tasks?action=endpoint.isolate&state=succeeded&limit=1");
    case "/approvals/":
      return await first("/approvals?state=pending&limit=1", "task");
    case "/endpoints/":
      return stage.told.endpoints["db-1"] ?? "";
    case "/library/":
      return "script";
    case "/library/$kind/":
      return "verify-backup";
    case "/shells/":
      return await first("/shells?state=ended&limit=1");
    case "/artifacts/":
      return await first("/artifacts?limit=1");
    case "/settings/people/":
      return await first("/people?limit=1");
    case "/settings/roles/":
      return await first("/roles?limit=200");
    case "/settings/sso/":
      return await first("/sso/providers?limit=1");
    default:
      throw new Error(`${before}$${name} needs a value to be shown with; give it one in tests/screens.ts`);
  }
}

/** Fills what the demonstration leaves empty, so that there is something to see on each screen. */
export async function furnish(stage: Stage): Promise<void> {
  const maria = await stage.as("maria");
  await maria("POST", "/sso/providers", {
    name: "keycloak",
    issuer: "https://login.lusitania.example/realms/main",
    client_id: "quell",
    client_secret: "made up for a picture",
    domains: ["lusitania.example"],
    mapping: [{ group: "ir-lead", role: "security_officer" }],
  });
  await maria("POST", "/webhooks", {
    name: "siem",
    url: "https://siem.lusitania.example/quell",
    kinds: ["task_failed", "break_glass"],
  });
  await maria("POST", "/roles", {
    name: "night-shift",
    description: "Acts on the demonstration's endpoints, at night",
    grants: { permissions: ["task.read", "task.submit", "endpoint.read"], actions: ["endpoint.*"], tags: ["demo"] },
  });
  await maria("POST", "/api-keys", { name: "siem", role: "auditor", expires_in_days: 30 });
  await maria("POST", "/kit-keys", {
    name: "Watch, night shift",
    public: "ed25519:mJk3vT0q8eYB2xQ5dH7cR1uZsLfWnPaGiKoE4tVyN9A",
  });
  await shell(stage);
}

/** A shell that was opened, used and ended. */
async function shell(stage: Stage): Promise<void> {
  const params = { action: "endpoint.remote_shell", params: { shell: "sh" }, reason: "INC-7: look at the queue" };
  await stage.api("POST", "/tasks", { ...params, targets: { endpoints: ["web-1"] } });
  const shells = async (state: string): Promise<string> =>
    String((await stage.api<Listed>("GET", `/shells?state=${state}`)).items[0]?.["id"] ?? "");
  await expect.poll(() => shells("open"), { timeout: 30_000 }).not.toBe("");
  const id = await shells("open");
  await drive(stage, id, ["id", "ps -e --forest", "ls -la /etc | head -20", "date; uptime"]);
  await stage.api("POST", `/shells/${id}/end`);
  await expect.poll(() => shells("ended"), { timeout: 30_000 }).not.toBe("");
}

/** Types lines into a shell as another client than the console, so that its recording shows something. */
async function drive(stage: Stage, id: string, lines: string[]): Promise<void> {
  const line = spawn(join(programs(), "quell"), ["shells", "attach", id], {
    env: { ...process.env, QUELL_URL: stage.url, QUELL_API_KEY: stage.told.key },
    stdio: ["pipe", "ignore", "ignore"],
  });
  for (const text of lines) {
    const before = await stage.api<{ bytes_out: number }>("GET", `/shells/${id}`);
    line.stdin.write(`${text}\r`);
    const more = async (): Promise<number> =>
      (await stage.api<{ bytes_out: number }>("GET", `/shells/${id}`)).bytes_out - before.bytes_out;
    await expect.poll(more, { timeout: 20_000 }).toBeGreaterThan(text.length + 4);
  }
  line.kill();
}

/** Waits until a screen has read what it shows. */
export async function settled(page: Page): Promise<void> {
  await expect(page.getByRole("heading", { level: 1 }).first()).toBeVisible();
  await expect(page.locator("[aria-label^='Reading'], .mantine-Skeleton-root[data-visible]")).toHaveCount(0);
  await expect(page.getByText("Reading…", { exact: true })).toHaveCount(0);
  // Pieces that fade in are half of their colours until they have.
  await page.evaluate(() => Promise.all(document.getAnimations().map((one) => one.finished.catch(() => undefined))));
}
