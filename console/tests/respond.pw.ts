/// What a team does in an incident, through the console alone; each effect is looked at from outside of it.

import { readFileSync } from "node:fs";

import { ask, mark, send } from "./act";
import { unpacked } from "./archive";
import { accessible } from "./axe";
import { settled } from "./screens";
import { another, expect, signIn, test } from "./stage";

test.use({ alone: "respond" });
test.describe.configure({ timeout: 120_000 });

const VERIFIED = "Verified: the effect was seen.";

test("an endpoint is isolated from the palette, the evidence arrives live, undo, and the trail has it", async ({
  page,
  stage,
  browser,
}) => {
  await signIn(page, stage, "ana");
  await page.goto("/");
  await settled(page);
  const isSame = await mark(page);
  // Somebody else looks at the endpoints meanwhile.
  const onlooker = await another(browser, stage, "maria");
  await onlooker.goto("/endpoints?text=web-1");
  const row = onlooker.getByRole("row").filter({ hasText: "web-1" });
  await expect(row).toContainText("Connected");
  const isSameThere = await mark(onlooker);

  expect(await stage.reach("web-1")).toBe(true);
  await page.keyboard.press("Control+k");
  await page.getByRole("textbox", { name: "Find or do something" }).fill("isolate web-1");
  const offered = page.getByRole("listbox", { name: "What is found" }).getByRole("option").first();
  await expect(offered).toContainText("web-1");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Act" });
  await dialog.getByLabel("Reason").fill("a beacon calls home from it");
  await accessible(page, "the dialog that asks for an action");
  const task = await send(page, "web-1");
  await expect(page.getByText(VERIFIED)).toBeVisible({ timeout: 30_000 });
  await expect(page.getByRole("list", { name: "Probes" }).getByRole("listitem").first()).toBeVisible();
  await isSame();
  expect(await stage.reach("web-1")).toBe(false);
  await expect(row).toContainText("Isolated");
  await isSameThere();

  await page.getByRole("button", { name: "Undo" }).click();
  const undo = page.getByRole("dialog", { name: /^Undo/ });
  await undo.getByLabel("Reason").fill("clean; back to work");
  await undo.getByRole("button", { name: /restore/i }).click();
  await expect(page).not.toHaveURL(new RegExp(task));
  await expect(page.getByText(VERIFIED)).toBeVisible({ timeout: 30_000 });
  await isSame();
  expect(await stage.reach("web-1")).toBe(true);
  await expect(row).not.toContainText("Isolated");

  await onlooker.goto(`/audit?object=${task}`);
  await settled(onlooker);
  await expect(onlooker.getByRole("row").filter({ hasText: "Ana Costa" }).first()).toBeVisible();
  await onlooker.context().close();
});

test("a file is collected, and the archive opens with the password that is shown", async ({ page, stage }) => {
  const text = `what the beacon ran ${String(Date.now())}\n`;
  await stage.sh("hr-laptop", `mkdir -p /var/tmp/loot && printf '%s' '${text}' > /var/tmp/loot/stage2`);
  await signIn(page, stage, "ana");
  await page.goto("/tasks");
  await ask(page, {
    action: "collect file",
    endpoint: "hr-laptop",
    reason: "what did it run?",
    fields: { Path: "/var/tmp/loot/stage2" },
  });
  await unpacked(page, (files) => {
    expect(files.map((file) => readFileSync(file, "utf8"))).toContain(text);
  });
});

test("one asks, another approves, and it runs", async ({ page, stage, browser }) => {
  const program = await stage.beacon("db-1");
  await expect.poll(() => stage.running("db-1")).toBeGreaterThan(1);
  const arno = await another(browser, stage, "arno");
  await arno.goto("/approvals");
  await settled(arno);
  const isSameThere = await mark(arno);

  await signIn(page, stage, "olga");
  await page.goto("/tasks");
  const task = await ask(page, {
    action: "terminate",
    endpoint: "db-1",
    reason: "calls home five times a second",
    fields: { Path: program },
    ticks: ["Descendants"],
  });
  const isSame = await mark(page);
  expect(await stage.running("db-1")).toBeGreaterThan(1);

  // It appears by itself in the inbox.
  const card = arno.getByRole("listitem").filter({ hasText: "calls home five times a second" });
  await expect(card).toBeVisible();
  await isSameThere();
  await card.getByRole("link").first().click();
  await expect(arno).toHaveURL(new RegExp(`/approvals/${task}`));
  await accessible(arno, "a request for approval");
  await arno.getByLabel("Note").fill("agreed on the phone");
  await arno.getByRole("button", { name: "Approve", exact: true }).click();

  await expect(page.getByText(VERIFIED)).toBeVisible({ timeout: 30_000 });
  await isSame();
  await expect.poll(() => stage.running("db-1")).toBe(0);
  await arno.context().close();
});
