/// Names that want to be more than names stay names, on every screen.

import { type Page } from "@playwright/test";

import { furnish, screens, settled } from "./screens";
import { expect, signIn, type Stage, test } from "./stage";

test.use({ kind: "played", alone: "hostile" });
test.describe.configure({ timeout: 240_000 });

const MARKUP = `<img src=x onerror="window.struck=1"><script>window.struck=2</script>`;
/** Right-to-left override, an isolate that is never ended, a bell, an escape of terminals, a zero-width joiner, a
 * variation selector, the blank of Braille, and a Cyrillic letter among Latin ones. */
const MARKS = "\u202Egnp.exe\u2066\u0007\u001B[2J\u200D\uFE0F\u2800w\u0435b";
const FORMULA = `=HYPERLINK("http://evil.example","x")`;
const LONG = "W".repeat(1900);

interface Refusal {
  message: string;
}

/** Puts hostile texts wherever the server takes them; what it refuses is as good. */
async function poison(stage: Stage): Promise<number> {
  const maria = await stage.as("maria");
  const ana = await stage.as("ana");
  const olga = await stage.as("olga");
  const [web, db] = [stage.told.endpoints["web-1"] ?? "", stage.told.endpoints["db-1"] ?? ""];
  let taken = 0;
  const attempt = async (work: Promise<unknown>): Promise<void> => {
    await work.then(
      () => (taken += 1),
      (error: unknown) => {
        expect((error as Refusal).message).toMatch(/ 4\d\d /);
      },
    );
  };
  await attempt(maria("PUT", `/endpoints/${web}/name`, { name: MARKUP.slice(0, 60) }));
  await attempt(maria("PUT", `/endpoints/${web}/tags`, { tags: [MARKUP.slice(0, 50), `x${MARKS}`, FORMULA] }));
  await attempt(maria("PUT", `/endpoints/${web}/tags`, { tags: ["<b>bold</b>"] }));
  for (const reason of [MARKUP, `a${MARKS}b`, FORMULA, LONG]) {
    const target = { targets: { endpoints: [db] }, reason };
    await attempt(
      ana("POST", "/tasks", { ...target, action: "file.collect", params: { path: `/tmp/${reason.slice(0, 900)}` } }),
    );
    await attempt(olga("POST", "/tasks", { ...target, action: "endpoint.isolate", params: {} }));
    await attempt(
      maria("POST", "/library/script", {
        name: `s${String(taken)}`,
        interpreter: "sh",
        body: `#!/bin/sh\n# ${reason}\n`,
        description: reason.slice(0, 180),
      }),
    );
    await attempt(
      maria("POST", "/people", { name: reason.slice(0, 90), email: `p${String(taken)}@x.example`, roles: ["analyst"] }),
    );
    await attempt(maria("POST", "/roles", { name: reason.slice(0, 60), grants: { permissions: ["task.read"] } }));
    await attempt(maria("POST", "/api-keys", { name: reason.slice(0, 60), role: "auditor" }));
    await attempt(
      maria("POST", "/enrolment-tokens", { name: reason.slice(0, 60), max_uses: 1, expires_in_seconds: 600 }),
    );
  }
  // A script whose output is hostile.
  await attempt(
    maria("POST", "/library/script", {
      name: "shout",
      interpreter: "sh",
      body: `#!/bin/sh\nprintf '%s' '${MARKUP.replaceAll("'", "")}'; printf '\\033[2J\\342\\200\\256gnp'\n`,
    }),
  );
  await attempt(
    ana("POST", "/tasks", {
      action: "endpoint.run_script",
      params: { script: "shout" },
      targets: { endpoints: [db] },
      reason: "shout",
    }),
  );
  return taken;
}

/** What of a page shows that a name became more. */
async function struck(page: Page): Promise<string[]> {
  return await page.evaluate(() => {
    const found: string[] = [];
    if ("struck" in window) found.push("code of a name ran");
    if (document.querySelector("img[src='x'], [onerror], b b, script:not([src])") !== null)
      found.push("markup of a name became elements");
    const text = document.body.innerText;
    // eslint-disable-next-line no-control-regex
    const marks = /[\u202A-\u202E\u2066-\u2069\u0000-\u0008\u001B\u2800]|\uFE0F/u.exec(text);
    if (marks) found.push(`a raw control character U+${marks[0].charCodeAt(0).toString(16)} is on the page`);
    const beyond = document.documentElement.scrollWidth - window.innerWidth;
    if (beyond > 0) found.push(`the page is ${String(beyond)} px too wide`);
    return found;
  });
}

test("hostile names are inert on every screen, and in exports", async ({ page, stage }) => {
  await furnish(stage);
  expect(await poison(stage)).toBeGreaterThan(10);
  await signIn(page, stage, "maria");
  const found: string[] = [];
  const tasks = await stage.api<{ items: { id: string }[] }>("GET", "/tasks?limit=30");
  const all = (await screens(stage)).filter((screen) => !screen.isPublic).map((screen) => screen.path);
  const own = tasks.items.slice(0, 10).map((task) => `/tasks/${task.id}`);
  const web = `/endpoints/${stage.told.endpoints["web-1"] ?? ""}`;
  for (const path of [...all, ...own, web]) {
    await page.goto(path);
    await settled(page).catch((error: unknown) => found.push(`${path}: ${String(error)}`));
    found.push(...(await struck(page)).map((what) => `${path}: ${what}`));
  }
  expect(found, found.join("\n")).toEqual([]);

  // A cell of a table that a spreadsheet would take for a formula is told as text.
  const csv = await page.request.get("/api/v1/tasks?format=csv&limit=100", { headers: { accept: "text/csv" } });
  expect(csv.headers()["content-type"]).toContain("csv");
  const told = await csv.text();
  expect(told).toContain("HYPERLINK");
  expect(told).not.toMatch(/(^|,)"?=HYPERLINK/m);
});
