/// Every action of the catalogue, asked for by its form as an analyst does, and seen on the endpoint itself; what a form
/// cannot take it says at the field. Actions with tests of their own are driven there.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { ask, begin, send, wrong } from "./act";
import { unpacked } from "./archive";
import { settled } from "./screens";
import { expect, signIn, type Stage, test } from "./stage";

import type { Locator, Page } from "@playwright/test";

test.use({ alone: "shell" });
test.describe.configure({ timeout: 60_000 });

const ELF = Buffer.from("\x7fELF");

test.beforeEach(async ({ page, stage }) => {
  await signIn(page, stage, "ana");
  await page.goto("/tasks");
  await settled(page);
});

/** The page of the task says that the effect was seen. */
async function verified(page: Page): Promise<void> {
  await expect(page.getByText("Verified: the effect was seen.")).toBeVisible({ timeout: 30_000 });
}

/** The rows that the task found, on its page. */
function found(page: Page): Locator {
  return page.getByRole("region", { name: "Rows", exact: true });
}

/** A program on web-1 that no other test knows, and its SHA-256. */
async function program(stage: Stage, path: string): Promise<string> {
  const made = await stage.sh("web-1", `cp /bin/echo ${path}; echo ${path} >> ${path}; sha256sum ${path}`);
  return made.slice(0, 64);
}

/** What comes of running a program there: its output, or `refused`. */
async function run(stage: Stage, path: string): Promise<string> {
  return (await stage.sh("web-1", `${path} it ran 2>/dev/null || echo refused`)).trim();
}

test("a script runs with the arguments that were typed", async ({ page, stage }) => {
  await stage.api("POST", "/library/script", {
    name: "say-so",
    interpreter: "sh",
    body: '#!/bin/sh\nprintf "%s|" "$@" | tee /root/said\n',
    description: "Writes down what it was told",
  });
  await ask(page, {
    action: "Run Remote Custom Script",
    endpoint: "web-1",
    reason: "INC-1: what it is told",
    form: async (dialog) => {
      await dialog.getByRole("combobox", { name: "Script" }).click();
      await page.getByRole("option", { name: /^say-so/ }).click();
      await wrong(dialog, "Arguments", "x\n".repeat(65), /There are 65; at most 64 are taken/);
      await dialog.getByRole("textbox", { name: "Arguments" }).fill("one two\n$(touch /root/never)");
    },
  });
  await verified(page);
  expect(await stage.sh("web-1", "cat /root/said; ls /root/never 2>/dev/null; true")).toBe(
    "one two|$(touch /root/never)|",
  );
  await expect(page.getByText("one two|$(touch /root/never)|")).toBeVisible();
});

test("rules are looked for in files, and found where they are", async ({ page, stage }) => {
  await stage.sh(
    "web-1",
    "mkdir -p /root/hunt; printf 'hay hay a needle' > /root/hunt/bad; echo hay > /root/hunt/good",
  );
  await stage.api("POST", "/library/yara", {
    name: "hunted",
    description: "What is hunted",
    body: 'rule hunted { strings: $a = "a needle" condition: $a }',
  });
  await ask(page, {
    action: "Run YARA",
    endpoint: "web-1",
    reason: "INC-1: is it here?",
    form: async (dialog) => {
      await dialog.getByRole("combobox", { name: "Rules" }).click();
      await page.getByRole("option", { name: /^hunted/ }).click();
      await wrong(dialog, "Paths", "root/hunt", /Line 1: must be an absolute path/);
      await dialog.getByRole("textbox", { name: "Paths", exact: true }).fill("/root/hunt");
    },
  });
  await verified(page);
  await expect(found(page).getByText("1 of 1 endpoint complete")).toBeVisible();
  await expect(found(page)).toContainText("/root/hunt/bad");
  await expect(found(page)).not.toContainText("/root/hunt/good");
  const place = (await stage.sh("web-1", "grep -bo 'a needle' /root/hunt/bad")).split(":")[0] ?? "";
  await found(page)
    .getByRole("button", { name: /^All values of this row/ })
    .first()
    .click();
  await expect(page.getByRole("dialog").getByRole("row", { name: /offset/ })).toContainText(place);
});

test("a question in SQL is answered with what runs there", async ({ page, stage }) => {
  await stage.sh("web-1", "setsid sleep 4747 >/dev/null 2>&1 &");
  await ask(page, {
    action: "Run osquery",
    endpoint: "web-1",
    reason: "INC-1: who sleeps?",
    form: async (dialog) => {
      await expect(dialog.getByTestId("blast")).toContainText("give exactly one of");
      await dialog
        .getByLabel("SQL", { exact: true })
        .fill("SELECT pid, name FROM processes WHERE cmdline = 'sleep 4747'");
    },
  });
  await verified(page);
  const pid = (await stage.sh("web-1", "pgrep -fx 'sleep 4747'")).trim();
  await expect(found(page).getByRole("row").filter({ hasText: "sleep" })).toContainText(pid);
});

test("processes are listed by their name", async ({ page, stage }) => {
  await stage.sh("web-1", "for n in 1 2 3; do setsid sleep 484$n >/dev/null 2>&1 & done");
  await ask(page, {
    action: "List Processes",
    endpoint: "web-1",
    reason: "INC-1: what runs?",
    form: async (dialog) => {
      await wrong(dialog, "Name", "x".repeat(257), /at most 256 are taken/);
      await dialog.getByRole("textbox", { name: "Name", exact: true }).fill("sleep 484");
    },
  });
  await verified(page);
  const pids = (await stage.sh("web-1", "pgrep -f '^sleep 484'")).trim().split("\n");
  expect(pids).toHaveLength(3);
  await expect(found(page).getByText("3 rows")).toBeVisible();
  for (const pid of pids) await expect(found(page).getByRole("cell", { name: pid, exact: true })).toBeVisible();
});

test("the memory of a process is taken, and it runs on", async ({ page, stage }) => {
  await stage.sh("web-1", "MARK=kept-in-memory-4848 setsid sleep 4848 >/dev/null 2>&1 &");
  await ask(page, {
    action: "Dump Process Memory",
    endpoint: "web-1",
    reason: "INC-1: what does it hold?",
    form: async (dialog) => {
      await dialog.getByRole("button", { name: "Pick from what runs…" }).click();
      await dialog.getByLabel("Search processes").fill("4848");
      const rows = dialog.getByRole("region", { name: "Processes" }).getByRole("row").filter({ hasText: "sleep 4848" });
      await rows.getByRole("button").click();
      const pid = await dialog.getByLabel("Process ID").inputValue();
      await wrong(dialog, "Process ID", "0", /At least 1/);
      await dialog.getByLabel("Process ID").fill(pid);
    },
  });
  await verified(page);
  expect(await stage.sh("web-1", "pgrep -fxc 'sleep 4848'")).toBe("1\n");
  await unpacked(page, (files) => {
    const core = files.map((file) => readFileSync(file)).find((bytes) => bytes.subarray(0, 4).equals(ELF));
    expect(core?.includes("MARK=kept-in-memory-4848")).toBe(true);
  });
});

test("a program is started by who confirms that it is them", async ({ page, stage }) => {
  await ask(page, {
    action: "Start Process",
    endpoint: "web-1",
    reason: "INC-1: start it again",
    password: stage.person("ana").password,
    form: async (dialog) => {
      await wrong(dialog, "Path", "sleep", /must be absolute/);
      await dialog.getByRole("textbox", { name: "Path", exact: true }).fill("/usr/bin/sleep");
      await dialog.getByRole("textbox", { name: "Arguments" }).fill("4949");
      await dialog.getByLabel("Working directory").fill("/var/tmp");
    },
  });
  await verified(page);
  expect(await stage.sh("web-1", "readlink /proc/$(pgrep -fx '/usr/bin/sleep 4949')/cwd")).toBe("/var/tmp\n");
});

test("a file is moved into the vault, and comes back as it was", async ({ page, stage }) => {
  const look = "stat -c '%a %U %Y' /root/odd 2>/dev/null && cat /root/odd || echo gone";
  await stage.sh(
    "web-1",
    "echo odd > /root/odd; chmod 640 /root/odd; chown 1234 /root/odd; touch -d 2001-02-03 /root/odd",
  );
  const before = await stage.sh("web-1", look);
  await ask(page, {
    action: "Move to Quarantine",
    endpoint: "web-1",
    reason: "INC-1: out of the way",
    form: async (dialog) => {
      await wrong(dialog, "Path", "/root/../root/odd", /must not contain/);
      await dialog.getByRole("textbox", { name: "Path", exact: true }).fill("/root/odd");
    },
  });
  await verified(page);
  expect(await stage.sh("web-1", look)).toBe("gone\n");
  await page.getByRole("button", { name: "Undo" }).click();
  const undo = page.getByRole("dialog", { name: /^Undo/ });
  await undo.getByLabel("Reason").fill("it was ours");
  await undo.getByRole("button", { name: /restore/i }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Restore from Quarantine");
  await verified(page);
  expect(await stage.sh("web-1", look)).toBe(before);
});

test("a file is deleted if it is the one that is meant", async ({ page, stage }) => {
  await stage.sh("web-1", "echo bad > /root/bad-one");
  await ask(page, {
    action: "Delete File",
    endpoint: "web-1",
    reason: "INC-1: a dropper",
    form: async (dialog) => {
      await dialog.getByRole("textbox", { name: "Path", exact: true }).fill("/root/bad-one");
      await wrong(dialog, "SHA-256", "bad", /64 hex digits/);
      const digest = createHash("sha256").update("bad\n").digest("hex");
      await dialog.getByRole("textbox", { name: "SHA-256", exact: true }).fill(digest);
    },
  });
  await verified(page);
  expect(await stage.sh("web-1", "ls /root | grep -c bad-one; true")).toBe("0\n");
});

test("a program is kept from running, and allowed to again", async ({ page, stage }) => {
  const digest = await program(stage, "/root/kept-off");
  expect(await run(stage, "/root/kept-off")).toBe("it ran");
  await ask(page, {
    action: "Prevent Run",
    endpoint: "web-1",
    reason: "INC-1: a tool of theirs",
    form: async (dialog) => {
      await wrong(dialog, "SHA-256", digest.slice(1), /64 hex digits/);
      await dialog.getByRole("textbox", { name: "SHA-256", exact: true }).fill(digest);
    },
  });
  await verified(page);
  expect(await run(stage, "/root/kept-off")).toBe("refused");
  expect(await run(stage, "/bin/echo")).toBe("it ran");

  const dialog = await begin(page, { action: "Allow Run", endpoint: "web-1" });
  await wrong(dialog, "SHA-256", `${digest}0`, /64 hex digits/);
  await dialog.getByRole("textbox", { name: "SHA-256", exact: true }).fill(digest);
  await dialog.getByLabel("Reason").fill("INC-1: it was ours");
  await send(page, "web-1");
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Allow Run");
  await verified(page);
  expect(await run(stage, "/root/kept-off")).toBe("it ran");
});

test("what led to a program is told by its endpoint, as an incident", async ({ page, stage }) => {
  const digest = await program(stage, "/root/odd-one");
  await ask(page, {
    action: "Collect Chain",
    endpoint: "web-1",
    reason: "INC-1: who brought this?",
    form: async (dialog) => {
      await wrong(dialog, "SHA-256", `${digest}0`, /64 hex digits/);
      await dialog.getByRole("textbox", { name: "SHA-256", exact: true }).fill(digest);
    },
  });
  await verified(page);
  const incidents = async (): Promise<{ number: number }[]> =>
    (await stage.api<{ items: { number: number }[] }>("GET", "/incidents?endpoint=web-1&text=/root/odd-one")).items;
  await expect.poll(async () => (await incidents()).length).toBe(1);
  const [incident] = await incidents();
  await page.goto(`/incidents/${String(incident?.number)}?tab=activity&kind=file_create`);
  await expect(page.getByRole("link", { name: /created \/root\/odd-one/ })).toBeVisible();
});

/** Reached by other ways than the choice of an action: a palette, a button of another screen. */
const ELSEWHERE = ["endpoint.isolate", "endpoint.restore", "file.restore"];

test("no action of the catalogue is left out", async ({ stage }) => {
  const texts = readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith(".pw.ts"))
    .map((name) => readFileSync(join(import.meta.dirname, name), "utf8"));
  // Whoever asks the API itself names an action by its id, which no title has in it.
  const named = texts.flatMap((text) => [...text.matchAll(/\baction: "([^"]+)"/g)]);
  const chosen = new Set(named.map(([, name = ""]) => name.toLowerCase()));
  const actions = await stage.api<{ id: string; title: string }[]>("GET", "/actions");
  const isChosen = (title: string): boolean => [...chosen].some((name) => title.toLowerCase().includes(name));
  const left = actions.filter(({ id, title }) => !isChosen(title) && !ELSEWHERE.includes(id));
  expect(left.map(({ id }) => id)).toEqual([]);
});
