/// Protection: what is set in the console is what the server has and what agents say is in force, is looked at before it is
/// saved, and can be put back.

import type { Page } from "@playwright/test";

import { accessible } from "./axe";
import { settled } from "./screens";
import { expect, signIn, type Stage, test } from "./stage";

test.use({ kind: "fresh", alone: "protection" });
test.describe.configure({ timeout: 120_000 });

const SCREEN = "/settings/protection";
const ID = "5a4b6f0e-7d8c-4f2e-9a51-3c1d2e4f5a6b";

function rule(id: string, title: string, value: string): string {
  return [
    `title: ${title}`,
    `id: ${id}`,
    "level: critical",
    "tags: [attack.execution, attack.t1059.004]",
    "logsource: {product: linux, category: process_creation}",
    "detection:",
    "  selection:",
    `    CommandLine|contains: ${value}`,
    "  condition: selection",
    "",
  ].join("\n");
}

interface Protection {
  version: number;
  settings: {
    modes: Record<string, string>;
    record: boolean;
    ring_bytes: number;
    behaviour: { rules: string[]; disabled: string[] };
    exclusions: Record<string, unknown>[];
  };
  endpoints: { total: number; current: number };
}

const read = (stage: Stage): Promise<Protection> => stage.api<Protection>("GET", "/protection");

/** Looks at what changes and saves it; returns what the dialog said. */
async function save(page: Page): Promise<string> {
  await page.getByRole("button", { name: "Look and save…" }).click();
  const dialog = page.getByRole("dialog", { name: "What changes" });
  const button = dialog.getByRole("button", { name: "Save the settings" });
  await expect(button).not.toHaveAttribute("aria-disabled", "true", { timeout: 30_000 });
  const said = await dialog.innerText();
  await button.click();
  await expect(dialog).toBeHidden();
  await expect(page.getByText("Saved. Endpoints that are connected")).toBeVisible();
  return said;
}

test("a mode is looked at before it is saved, comes into force, and is put back", async ({ page, stage }) => {
  await signIn(page, stage, "maria");
  const before = await read(stage);
  await page.goto(SCREEN);
  await settled(page);
  await page.getByRole("radiogroup", { name: "Behaviour rules" }).getByText("Prevent").click();
  await page.getByRole("textbox", { name: "At most on an endpoint’s disk" }).fill("48");
  await expect(page.getByText("2 changes not saved")).toBeVisible();
  expect((await read(stage)).version, "nothing is saved by looking").toBe(before.version);
  const said = await save(page);
  expect(said).toContain("Behaviour rules: prevented");
  expect(said).toMatch(/Hits of \d+ rules would be prevented/);
  const after = await read(stage);
  expect(after.settings.modes["behaviour"]).toBe("prevent");
  expect(after.settings.ring_bytes).toBe(48 * 1024 * 1024);
  expect(after.version).toBe(before.version + 1);
  // The agents say so themselves.
  await expect.poll(async () => (await read(stage)).endpoints.current, { timeout: 60_000 }).toBe(after.endpoints.total);
  await expect(page.getByRole("button", { name: /^In force on all/ })).toBeVisible({ timeout: 30_000 });

  await page.getByRole("button", { name: "Put the former back" }).click();
  await expect.poll(async () => (await read(stage)).settings).toEqual(before.settings);
  await expect(
    page.getByRole("radiogroup", { name: "Behaviour rules" }).getByRole("radio", { name: "Detect" }),
  ).toBeChecked();
});

test("rules of the library are put in force, made newer and disabled one by one", async ({ page, stage }) => {
  await stage.api("POST", "/library/sigma", { name: "ours", body: rule(ID, "A beacon of ours", "beacon-of-ours") });
  await signIn(page, stage, "maria");
  await page.goto(`${SCREEN}?tab=rules`);
  await settled(page);
  await page.getByRole("combobox", { name: "Add behaviour rules" }).click();
  await page.getByRole("option", { name: "ours" }).click();
  await page.getByRole("region", { name: "Sets of behaviour rules" }).getByRole("button", { name: "Add" }).click();
  expect(await save(page)).toContain("A beacon of ours");
  expect((await read(stage)).settings.behaviour.rules).toEqual(["ours@1"]);

  // A later version changes nothing until somebody takes it.
  await stage.api("POST", "/library/sigma", {
    name: "ours",
    body: rule(ID, "A beacon of ours, told apart", "of-ours"),
  });
  await page.reload();
  await settled(page);
  await page.getByRole("button", { name: "Take it", exact: true }).click();
  await save(page);
  expect((await read(stage)).settings.behaviour.rules).toEqual(["ours@2"]);

  await page.getByRole("textbox", { name: "Search" }).fill("told apart");
  await page.getByLabel("Select the rule A beacon of ours, told apart").check();
  await page.getByRole("button", { name: "Disable 1" }).click();
  await expect(page.getByText("disabled, once saved")).toBeVisible();
  expect(await save(page)).toContain("1 rule would go out of force");
  expect((await read(stage)).settings.behaviour.disabled).toEqual([ID]);
  await page.getByLabel("Select the rule A beacon of ours, told apart").check();
  await page.getByRole("button", { name: "Put 1 in force" }).click();
  await save(page);
  expect((await read(stage)).settings.behaviour.disabled).toEqual([]);

  // The item says where it is used.
  await page.goto("/library/sigma/ours?version=1");
  await expect(page.getByText("Protection uses version 2.")).toBeVisible();
});

test("an exclusion names something, says why, and is taken away again", async ({ page, stage }) => {
  await signIn(page, stage, "maria");
  await page.goto(`${SCREEN}?tab=exclusions`);
  await settled(page);
  const form = page.getByRole("form", { name: "Add an exclusion" });
  await form.getByRole("textbox", { name: "User id" }).fill("33");
  await expect(form.getByText("a user alone would exclude everything")).toBeVisible();
  await form.getByRole("textbox", { name: "Path" }).fill("/opt/backup/");
  await form.getByRole("textbox", { name: "Why" }).fill("the backup reads everything");
  await form.getByRole("button", { name: "Add" }).click();
  await save(page);
  expect((await read(stage)).settings.exclusions).toEqual([
    { path: "/opt/backup/", uid: 33, note: "the backup reads everything" },
  ]);
  await page.getByRole("button", { name: /^Take away: everything below/ }).click();
  await save(page);
  expect((await read(stage)).settings.exclusions).toEqual([]);

  // What was before stands among the versions, and a draft can begin with it.
  await page.getByRole("tab", { name: "Earlier" }).click();
  await page.getByRole("button", { name: "Begin with what was before" }).first().click();
  await expect(page.getByText("1 change not saved")).toBeVisible();
  await page.getByRole("button", { name: "Discard" }).click();
  await expect(page.getByText("not saved")).toBeHidden();
});

test("of two at once none is lost, and what the server refuses is told where it is", async ({ page, stage }) => {
  await signIn(page, stage, "maria");
  await page.goto(SCREEN);
  await settled(page);
  await page.getByRole("radiogroup", { name: "YARA rules" }).getByText("Off").click();
  const { settings } = await read(stage);
  await stage.api("PUT", "/protection", { ...settings, record: !settings.record });
  await page.getByRole("button", { name: "Look and save…" }).click();
  const dialog = page.getByRole("dialog", { name: "What changes" });
  await dialog.getByRole("button", { name: "Save the settings" }).click();
  await expect(dialog.getByRole("alert")).toContainText("changed");
  await dialog.getByRole("button", { name: "Go on editing" }).click();
  await expect(page.getByText("Somebody else saved meanwhile")).toBeVisible();
  expect((await read(stage)).settings.modes["yara"], "theirs stands").toBe("detect");
  await page.getByRole("button", { name: "Discard" }).click();
  await expect(page.getByRole("switch", { name: "Record activity" })).not.toBeChecked();
  await stage.api("PUT", "/protection", settings);

  // Two sets with one rule do not go together: it is said with the set, before anything is saved.
  await stage.api("POST", "/library/sigma", { name: "first", body: rule(ID.replace("5a", "6a"), "One", "one-thing") });
  await stage.api("POST", "/library/sigma", { name: "twin", body: rule(ID.replace("5a", "6a"), "Two", "two-things") });
  await page.goto(`${SCREEN}?tab=rules`);
  await settled(page);
  const sets = page.getByRole("region", { name: "Sets of behaviour rules" });
  for (const name of ["first", "twin"]) {
    await sets.getByRole("combobox", { name: "Add behaviour rules" }).click();
    await page.getByRole("option", { name }).click();
    await sets.getByRole("button", { name: "Add" }).click();
  }
  await page.getByRole("button", { name: "Look and save…" }).click();
  await expect(dialog.getByRole("alert")).toContainText("twin@1");
  await expect(dialog.getByRole("button", { name: "Save the settings" })).toHaveAttribute("aria-disabled", "true");
});

test("who may not change it reads it, and who may not read it is told so", async ({ page, stage }) => {
  await signIn(page, stage, "ana");
  await page.goto(SCREEN);
  await settled(page);
  await expect(page.getByText("You may read these settings, and not change them.")).toBeVisible();
  await expect(page.getByRole("switch", { name: "Record activity" })).toBeDisabled();
  await page.goto(`${SCREEN}?tab=rules`);
  await settled(page);
  await expect(page.getByRole("combobox", { name: "Add behaviour rules" })).toHaveCount(0);
  await page.context().clearCookies();
  await signIn(page, stage, "olga");
  await page.goto(SCREEN);
  await expect(page.getByText("You may not see this")).toBeVisible();
});

for (const theme of ["light", "dark"] as const) {
  test(`${theme}: every part can be used by everyone, on a phone too`, async ({ page, stage }) => {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await signIn(page, stage, "maria");
    for (const size of [
      { width: 1280, height: 800 },
      { width: 390, height: 844 },
    ]) {
      await page.setViewportSize(size);
      for (const tab of ["modes", "rules", "exclusions", "endpoints", "earlier"]) {
        await page.goto(`${SCREEN}?tab=${tab}`);
        await settled(page);
        await accessible(page, `${tab} at ${String(size.width)}`);
        const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        expect(beyond, `${tab} is too wide`).toBeLessThanOrEqual(0);
      }
      await page.goto(SCREEN);
      await settled(page);
      await page.getByRole("radiogroup", { name: "Behaviour rules" }).getByText("Prevent").click();
      await page.getByRole("button", { name: "Look and save…" }).click();
      await expect(page.getByRole("dialog").getByText(/would be prevented/)).toBeVisible();
      await settled(page);
      await accessible(page, `the look before saving at ${String(size.width)}`);
    }
  });
}
