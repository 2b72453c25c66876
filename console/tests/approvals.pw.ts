/// Deciding: from a phone, several at once, by settings that are tried before they hold, and with broken glass.

import { another, expect, signIn, test, type Stage } from "./stage";

test.use({ alone: "approvals" });

/** A request of the outside team that waits; its task. */
async function asked(stage: Stage, endpoint: string, action: string, params: object, reason: string): Promise<string> {
  const olga = await stage.as("olga");
  const id = stage.told.endpoints[endpoint];
  const task = await olga("POST", "/tasks", { action, params, targets: { endpoints: [id] }, reason });
  expect(task["state"]).toBe("pending_approval");
  return String(task["id"]);
}

test.describe("on a phone", () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true });

  test("a request is read and approved with a thumb, and runs", async ({ stage, page }) => {
    const task = await asked(stage, "web-1", "file.collect", { path: "/etc/hostname" }, "for the report");
    await signIn(page, stage, "arno");
    await page.goto("/approvals");
    await page.getByRole("link", { name: /Collect File on web-1/ }).tap();
    await expect(page.getByText("for the report")).toBeVisible();
    await expect(page.getByText("/etc/hostname")).toBeVisible();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await page.getByRole("button", { name: "Approve…" }).tap();
    const form = page.getByRole("dialog", { name: "Approve" });
    await form.getByRole("textbox", { name: "Note" }).fill("agreed on the phone");
    await form.getByRole("button", { name: "Approve" }).tap();
    await expect(page).toHaveURL(new RegExp(`/tasks/${task}`));
    await expect
      .poll(async () => (await stage.api<{ state: string }>("GET", `/tasks/${task}`)).state)
      .toBe("succeeded");
    const request = await stage.api<{ decisions: { note: string; via: string }[] }>("GET", `/approvals/${task}`);
    expect(request.decisions).toMatchObject([{ note: "agreed on the phone", via: "console" }]);
  });
});

test("several are rejected at once, each named, and who asked reads why", async ({ stage, page, browser }) => {
  const tasks = [
    await asked(stage, "web-1", "file.collect", { path: "/etc/passwd" }, "accounts of web-1"),
    await asked(stage, "db-1", "file.collect", { path: "/etc/passwd" }, "accounts of db-1"),
  ];
  await signIn(page, stage, "arno");
  await page.goto("/approvals");
  await expect(page.locator("[data-task]")).toHaveCount(2);
  await page.getByRole("button", { name: "Select all 2" }).click();
  await page.getByRole("button", { name: "Reject 2…" }).click();
  const dialog = page.getByRole("dialog", { name: "Reject 2 requests" });
  await expect(dialog.getByText("accounts of db-1")).toBeVisible();
  const reject = dialog.getByRole("button", { name: "Reject 2 requests" });
  await expect(reject).toHaveAttribute("aria-disabled", "true");
  await dialog.getByRole("textbox", { name: "Why not" }).fill("not without a case number");
  await reject.click();
  await expect(dialog.getByText("All 2 are decided.")).toBeVisible();
  for (const task of tasks) {
    expect((await stage.api<{ state: string }>("GET", `/approvals/${task}`)).state).toBe("rejected");
  }
  const olga = await another(browser, stage, "olga");
  await olga.goto(`/approvals/${tasks[0] ?? ""}`);
  await expect(olga.getByText("not without a case number")).toBeVisible();
  await olga.context().close();
});

test("who asked is told why they do not decide, and news arrive by themselves", async ({ stage, page }) => {
  await signIn(page, stage, "olga");
  await page.goto("/approvals");
  await expect(page.getByText("Nothing waits for a decision")).toBeVisible();
  const task = await asked(stage, "hr-laptop", "file.collect", { path: "/etc/issue" }, "which system it is");
  const card = page.locator(`[data-task="${task}"]`);
  await expect(card).toContainText("who asks does not decide");
  const arno = await stage.as("arno");
  const { digest } = await arno("GET", `/approvals/${task}`);
  await arno("POST", `/approvals/${task}/reject`, { digest, note: "ask the owner" });
  await expect(card).toHaveCount(0);
});

test("settings are tried, saved with what changes, and put back", async ({ stage, page }) => {
  interface Settings {
    policy: { managed: { auto_approve: boolean } };
  }
  const isOn = async (): Promise<boolean> =>
    (await stage.api<Settings>("GET", "/approval-policy")).policy.managed.auto_approve;
  await signIn(page, stage, "maria");
  await page.goto("/settings/approvals?tab=managed");
  await page.getByRole("switch").check({ force: true });
  await page.getByRole("tab", { name: "Try it" }).click();
  await page.getByLabel("For which action").first().click();
  await page.getByRole("option", { name: "Isolate Endpoint" }).click();
  await page.getByRole("button", { name: "Ask the settings" }).click();
  await expect(page.getByText("Approved by the settings, and told")).toBeVisible();
  expect(await isOn()).toBe(false);
  await page.getByRole("button", { name: "Look and save…" }).click();
  const dialog = page.getByRole("dialog", { name: "What changes" });
  await expect(dialog.getByText("Outside team, automatic approval: on")).toBeVisible();
  await dialog.getByRole("button", { name: "Save the settings" }).click();
  await expect.poll(isOn).toBe(true);
  await page.getByRole("button", { name: "Put the former back" }).click();
  await expect.poll(isOn).toBe(false);
});

test("how long an approval is good is set, and not over what somebody else changed", async ({ stage, page }) => {
  interface Settings {
    policy: { step_up: string[]; valid_for: { actions: string[]; seconds: number }[] };
  }
  const held = async (): Promise<Settings["policy"]> => (await stage.api<Settings>("GET", "/approval-policy")).policy;
  const before = await held();
  const put = await stage.as("maria");
  await signIn(page, stage, "maria");
  await page.goto("/settings/approvals");
  const part = page.getByRole("region", { name: "How long an approval is good" });
  const choose = async (): Promise<void> => {
    await part.getByRole("button", { name: "Say how long" }).click();
    await part.getByRole("combobox", { name: "At most" }).click();
    await page.getByRole("option", { name: "15 minutes" }).click();
    await page.getByRole("button", { name: "Look and save…" }).click();
    await expect(page.getByText("an approval of every action is good for 15 minutes at most")).toBeVisible();
  };
  await choose();
  await put("PUT", "/approval-policy", { ...before, step_up: ["file.collect"] });
  const dialog = page.getByRole("dialog", { name: "What changes" });
  await dialog.getByRole("button", { name: "Save the settings" }).click();
  await expect(dialog.getByText("somebody else changed the approval settings meanwhile")).toBeVisible();
  expect((await held()).valid_for).toEqual([]);
  await dialog.getByRole("button", { name: "Go on editing" }).click();
  await page.getByRole("button", { name: "Discard" }).click();
  await choose();
  await dialog.getByRole("button", { name: "Save the settings" }).click();
  await expect.poll(held).toMatchObject({ step_up: ["file.collect"], valid_for: [{ actions: ["*"], seconds: 900 }] });
  await page.getByRole("button", { name: "Put the former back" }).click();
  await expect.poll(async () => (await held()).valid_for).toEqual([]);
  await put("PUT", "/approval-policy", before);
});

test("a file for a list is told line by line what is wrong, and changes nothing", async ({ stage, page }) => {
  await signIn(page, stage, "maria");
  await page.goto("/settings/approvals?tab=managed");
  await page.getByRole("button", { name: "Import…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Lines" }).fill("endpoint,why\nweb-1,shop\n=1+1,x\n");
  await dialog.getByRole("button", { name: "Check it" }).click();
  await expect(dialog.getByRole("row", { name: /^3 =1\+1 no active endpoint/ })).toBeVisible();
  interface List {
    endpoints: unknown[];
  }
  const list = async (): Promise<number> =>
    (await stage.api<List>("GET", "/approval-policy/lists/except")).endpoints.length;
  expect(await list()).toBe(0);
  await dialog.getByRole("textbox", { name: "Lines" }).fill("endpoint,why\nweb-1,shop\n");
  await dialog.getByRole("button", { name: "Check it" }).click();
  await dialog.getByRole("button", { name: "Replace the list" }).click();
  await expect.poll(list).toBe(1);
});

test("broken glass is confirmed, seen on every screen, ended, and reviewed by another", async ({
  stage,
  page,
  browser,
}) => {
  await signIn(page, stage, "maria");
  await page.goto("/approvals/break-glass");
  await page.getByRole("button", { name: "Break the glass…" }).click();
  await page.getByRole("textbox", { name: /Why can nobody/ }).fill("ransomware, and nobody picks up");
  await page.getByRole("button", { name: "Break the glass for 30 minutes" }).click();
  await page.getByLabel("Your password").fill(stage.person("maria").password);
  await page.getByRole("button", { name: "Confirm", exact: true }).click();
  const banner = page.getByRole("region", { name: "Break-glass" });
  await expect(banner).toBeVisible();
  await page.goto("/endpoints");
  await expect(banner).toBeVisible();
  await banner.getByRole("button", { name: "End it now" }).click();
  await expect(banner).toHaveCount(0);
  const aude = await another(browser, stage, "aude");
  await aude.goto("/approvals/break-glass");
  await aude.getByRole("button", { name: "Review…" }).click();
  await aude.getByRole("textbox", { name: "What you found" }).fill("nothing was done under it");
  await aude.getByRole("button", { name: "Record the review" }).click();
  await expect(aude.getByText("nothing was done under it")).toBeVisible();
  await aude.context().close();
});
