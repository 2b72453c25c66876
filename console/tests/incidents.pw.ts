/// Incidents from the list to the plan that stops them, in a browser: what is shown, by keys and in both themes, and what is
/// sent. The API's answers are those of a fixture, so that every kind of event, gap and refusal is there.

import { type Page } from "@playwright/test";

import { accessible } from "./axe";
import { CHAIN, INCIDENT, Told } from "./incidents-fixture";
import { settled } from "./screens";
import { expect, signIn, type Stage, test } from "./stage";

test.use({ kind: "fresh", alone: "incidents" });
test.describe.configure({ timeout: 120_000 });

/** A page on which the intrusion of the fixture is told. */
async function told(page: Page, stage: Stage): Promise<Told> {
  const fixture = new Told();
  await signIn(page, stage, "maria");
  await page.route("**/api/v1/**", async (route) => {
    const request = route.request();
    const body = (request.postDataJSON() ?? {}) as Record<string, unknown>;
    const answer = fixture.answer(request.method(), new URL(request.url()), body);
    if (answer === undefined) await route.fallback();
    else await route.fulfill({ status: answer.status, json: answer.body, headers: answer.headers ?? {} });
  });
  return fixture;
}

/** What was sent to a path, without the previews that come and go. */
function sentTo(fixture: Told, end: string): Record<string, unknown>[] {
  return fixture.sent.filter(({ path }) => path.endsWith(end)).map(({ body }) => body);
}

test("the list is walked by keys, filtered in the address, and closed in bulk", async ({ page, stage }) => {
  const fixture = await told(page, stage);
  await page.goto("/incidents");
  await settled(page);
  await expect(page.getByRole("row")).toHaveCount(9);
  await page.getByRole("combobox", { name: "Severity" }).click();
  await page.getByRole("option", { name: "critical" }).click();
  await expect(page).toHaveURL(/severity=critical/);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Clear" }).click();

  await page.getByLabel("Select incident 17").check();
  await page.getByLabel("Select incident 16").check();
  await page.getByRole("button", { name: "Close 2" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("#17");
  await dialog.getByRole("radio", { name: "True positive" }).check();
  await dialog.getByRole("button", { name: "Close 2 incidents" }).click();
  await expect(dialog).toBeHidden();
  expect(fixture.sent.map(({ method, body }) => [method, body])).toEqual([
    ["PATCH", { state: "closed", resolution: "true_positive" }],
    ["PATCH", { state: "closed", resolution: "true_positive" }],
  ]);

  // The dialog gives the focus back in its own time.
  await expect(async () => {
    await page.getByRole("link", { name: /#17/ }).focus();
    await page.keyboard.press("j");
    await expect(page.getByLabel("Select incident 16")).toBeFocused({ timeout: 500 });
  }).toPass();
  await page.keyboard.press("k");
  await expect(page.getByLabel("Select incident 17")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/incidents\/17$/);
});

test("several are merged into one, which is chosen", async ({ page, stage }) => {
  const fixture = await told(page, stage);
  await page.goto("/incidents");
  await settled(page);
  await page.getByLabel("Select incident 16").check();
  await expect(page.getByRole("button", { name: "Merge" })).toHaveAttribute("aria-disabled", "true");
  await page.getByLabel("Select incident 17").check();
  await page.getByRole("button", { name: "Merge" }).click();
  const dialog = page.getByRole("dialog", { name: "Merge 2 incidents" });
  await dialog.getByRole("radio", { name: /^#17/ }).check();
  await dialog.getByLabel("Reason").fill("one intruder");
  await accessible(page, "merging incidents");
  await dialog.getByRole("button", { name: "Merge", exact: true }).click();
  await expect(page).toHaveURL(/\/incidents\/17$/);
  const sent = sentTo(fixture, "/merge");
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatchObject({ into: INCIDENT, reason: "one intruder" });
  expect(sent[0]?.["incidents"]).toHaveLength(1);
});

for (const theme of ["light", "dark"] as const) {
  test(`${theme}: the overview counts what is open by severity, and leads there`, async ({ page, stage }) => {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await told(page, stage);
    for (const width of [390, 1440]) {
      await page.setViewportSize({ width, height: 900 });
      await page.goto("/");
      await settled(page);
      const open = page.getByRole("region", { name: "Incidents that are open" });
      await expect(open.getByRole("link", { name: "1,204 medium" })).toBeVisible();
      await accessible(page, `the overview at ${String(width)}`);
      const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect(beyond).toBeLessThanOrEqual(0);
      await open.getByRole("link", { name: "1 critical" }).click();
      await expect(page).toHaveURL(/\/incidents\?.*severity=critical/);
    }
  });
}

for (const theme of ["light", "dark"] as const) {
  test(`${theme}: the chain tells what is missing, marks key events, and is walked by keys`, async ({
    page,
    stage,
  }) => {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await told(page, stage);
    await page.goto("/incidents/17");
    await settled(page);
    await expect(page.getByTestId("gaps")).toContainText("14 events were lost");
    await expect(page.getByTestId("gaps")).toContainText("begins late");
    const tree = page.getByRole("tree", { name: "Threat development chain" });
    await expect(tree.locator("[data-detection]")).toHaveCount(4);
    // The worst key event is looked at without being asked for.
    const details = page.getByTestId("details");
    await expect(details.getByRole("heading", { name: "Starting a process" })).toBeVisible();
    await expect(details).toContainText("Known malware was started");
    await accessible(page, "the chain");

    await tree.focus();
    const active = tree.locator("[data-active]");
    await expect(active).toHaveAttribute("data-pid", "4130");
    for (const [key, pid] of [
      ["ArrowRight", "4133"],
      ["ArrowDown", "4140"],
      ["ArrowLeft", "4130"],
      ["ArrowUp", "4127"],
      ["ArrowLeft", "4101"],
      ["ArrowLeft", "812"],
      ["n", "4120"],
    ] as const) {
      await page.keyboard.press(key);
      await expect(active, key).toHaveAttribute("data-pid", pid);
    }
    await expect(details.getByRole("heading", { name: "curl" })).toBeVisible();
    await details.getByRole("button", { name: /bash, 4101/ }).click();
    await expect(active).toHaveAttribute("data-pid", "4101");
    await expect(page).toHaveURL(/at=p%3A/);

    await page.getByLabel("Find a process").fill("crontab");
    await page.keyboard.press("Enter");
    await expect(active).toHaveAttribute("data-pid", "4133");
  });
}

test("names that want to be more than names stay names", async ({ page, stage }) => {
  await told(page, stage);
  for (const path of ["/incidents", "/incidents/17", "/incidents/17?tab=activity", "/events", "/incidents/17/cut"]) {
    await page.goto(path);
    await settled(page);
    const found = await page.evaluate(() => ({
      marks: /[\u202A-\u202E\u2066-\u2069]/u.test(document.body.innerText),
      markup: document.querySelector("img[src='x'], [onerror], b b") !== null,
      wide: document.documentElement.scrollWidth - window.innerWidth,
    }));
    expect(found, path).toEqual({ marks: false, markup: false, wide: 0 });
  }
});

test("two thousand processes stay usable: what leads to no key event is folded", async ({ page, stage }) => {
  await told(page, stage);
  await page.goto("/incidents/18");
  await settled(page);
  const tree = page.getByRole("tree", { name: "Threat development chain" });
  await expect(tree.locator("[data-detection]").first()).toBeVisible();
  await expect(page.getByText("2,010 processes")).toBeVisible();
  expect(await tree.getByRole("treeitem").count()).toBeLessThan(60);
  // One that is folded away is found, and stands in the tree.
  await page.getByLabel("Find a process").fill("unit1977.c");
  const before = Date.now();
  await page.keyboard.press("Enter");
  await expect(tree.locator("[data-active]")).toHaveAttribute("data-pid", "11977");
  expect(Date.now() - before).toBeLessThan(3000);
  expect(await tree.getByRole("treeitem").count()).toBeLessThan(120);
  await accessible(page, "the chain of two thousand");
});

test("all activity events: filtered by kind and key, each with its fields and what can be done", async ({
  page,
  stage,
}) => {
  await told(page, stage);
  await page.goto("/incidents/17?tab=activity");
  await settled(page);
  await expect(page.getByRole("row")).toHaveCount(13);
  await page.getByRole("combobox", { name: "Kind of event" }).click();
  await page.getByRole("option", { name: "File creation" }).click();
  await expect(page.getByRole("row")).toHaveCount(3);
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: /curl created/ }).click();
  const details = page.getByTestId("details");
  await expect(details.getByRole("heading", { name: "File creation" })).toBeVisible();
  await expect(details).toContainText("0755");
  const offered = details.getByRole("group", { name: "Response actions on it" });
  await expect(offered.getByRole("button")).toHaveText(["Prevent Run", "Move to Quarantine", "Delete File"]);
  await page.goto("/incidents/17?tab=activity&kind=start");
  await page.getByRole("link", { name: /update was started/ }).click();
  await expect(offered.getByRole("button")).toHaveText([
    "Prevent Run",
    "Move to Quarantine",
    "Delete File",
    "Terminate Process",
  ]);
  await page.goto("/incidents/17?tab=activity&kind=start");
  await page.getByRole("link", { name: /cat was started/ }).click();
  await expect(details).toContainText("Terminate Process: The process has ended.");
  await accessible(page, "all activity events");
});

test("a response says what it does, sends no object of its own, and stands under response actions", async ({
  page,
  stage,
}) => {
  const fixture = await told(page, stage);
  await page.goto("/incidents/17");
  await settled(page);
  await page.getByTestId("details").getByRole("button", { name: "Move to Quarantine" }).click();
  const dialog = page.getByRole("dialog", { name: "Respond from incident #17" });
  await expect(dialog.getByTestId("blast")).toContainText("It hits 1 endpoint");
  await expect(dialog).toContainText("/tmp/update");
  await accessible(page, "the confirmation");
  await dialog.getByLabel("Reason").fill("INC-17: stop it");
  const typed = dialog.getByLabel(/To confirm/);
  if (await typed.isVisible()) await typed.fill("web-1");
  await dialog.getByTestId("send").click();
  await expect(dialog).toBeHidden();
  const [body] = sentTo(fixture, "/respond");
  expect(body).toEqual({
    action: "file.quarantine",
    chain: CHAIN,
    activity: 7,
    reason: "INC-17: stop it",
  });
  await page.getByRole("tab", { name: /Response actions/ }).click();
  await expect(page.getByRole("table", { name: "Response actions" })).toContainText("Move to Quarantine");
});

test("the menu offers devices and the threat-detection object; who may not respond reads why", async ({
  page,
  stage,
}) => {
  const fixture = await told(page, stage);
  await page.goto("/incidents/17");
  await settled(page);
  await page.getByRole("button", { name: "Threat response" }).click();
  const menu = page.getByRole("menu");
  await expect(menu.getByRole("menuitem")).toHaveText([
    "Isolate Endpoint",
    "Start Process",
    "Prevent Run",
    "Move to Quarantine",
    "Delete File",
    "Terminate Process",
  ]);
  await menu.getByRole("menuitem", { name: "Start Process" }).click();
  const dialog = page.getByRole("dialog", { name: "Respond from incident #17" });
  await dialog.getByLabel("Path").fill("/usr/bin/logger");
  await dialog.getByLabel("Working directory").fill("/tmp");
  await dialog.getByLabel("Reason").fill("INC-17: tell the users");
  await expect(dialog.getByTestId("blast")).toContainText("It hits 1 endpoint");
  await dialog.getByLabel(/To confirm/).fill("web-1");
  await dialog.getByTestId("send").click();
  await expect(dialog).toBeHidden();
  expect(sentTo(fixture, "/respond")[0]).toMatchObject({
    action: "process.start",
    params: { path: "/usr/bin/logger" },
  });

  fixture.state.notYours = "only administrators and security officers respond from an incident";
  await page.reload();
  await settled(page);
  await page.getByRole("button", { name: "Threat response" }).click();
  await expect(menu).toContainText("Only administrators and security officers respond");
  const sent = fixture.sent.length;
  await menu.getByRole("menuitem", { name: /Isolate Endpoint/ }).click({ force: true });
  await expect(page.getByRole("dialog")).toHaveCount(0);
  expect(fixture.sent.length).toBe(sent);
});

test("events of all origins: one without a chain says why, one with it leads through its activity events", async ({
  page,
  stage,
}) => {
  const fixture = await told(page, stage);
  await page.goto("/events");
  await settled(page);
  await page.getByRole("link", { name: /File below \/etc/ }).click();
  await expect(page.getByTestId("no-response")).toContainText("there is no chain to respond in");
  await expect(page.getByTestId("no-response").getByRole("button", { name: /Ask db-1/ })).toBeVisible();
  await accessible(page, "an event of another product");
  await page.getByRole("link", { name: /Known malware was started/ }).click();
  const details = page.getByTestId("details");
  await expect(details.getByRole("button", { name: "Threat response" })).toBeVisible();
  await details.getByText("All activity events", { exact: true }).click();
  await details.getByRole("button", { name: /curl created/ }).click();
  await details.getByRole("button", { name: "Delete File" }).click();
  const dialog = page.getByRole("dialog", { name: "Respond from incident #17" });
  await expect(dialog.getByTestId("blast")).toContainText("It cannot be taken back");
  await dialog.getByLabel("Reason").fill("INC-17: away with it");
  await dialog.getByLabel(/To confirm/).fill("web-1");
  await dialog.getByTestId("send").click();
  await expect(dialog).toBeHidden();
  expect(sentTo(fixture, "/respond")[0]).toMatchObject({ action: "file.delete", activity: 5 });
  await page.getByRole("tab", { name: "Response actions" }).click();
  await expect(page.getByRole("table", { name: "Response actions" })).toBeVisible();
});

test("cutting the chain: unticked, confirmed once, decided about as a whole, undone in one", async ({
  page,
  stage,
}) => {
  const fixture = await told(page, stage);
  await page.goto("/incidents/17");
  await settled(page);
  await page.getByRole("button", { name: "Cut the chain" }).click();
  const steps = page.getByRole("list", { name: "Steps, in their order" });
  await expect(steps.getByRole("listitem")).toHaveCount(5);
  await expect(page.getByText("no action here disables an account")).toBeVisible();
  await accessible(page, "cut the chain");
  await page.getByLabel(/^Step 3:/).uncheck();
  await expect(steps.getByRole("listitem").nth(3)).toContainText("Step 3 would come before it and is not ticked");
  await page.getByLabel("Reason").fill("INC-17: stop it");
  await page.getByRole("button", { name: "Cut the chain: 3 steps" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/Type “3”/).fill("3");
  await dialog.getByRole("button", { name: "Do 3 steps" }).click();
  await expect(page).toHaveURL(/\/response-plans\//);
  expect(sentTo(fixture, "/cut")[0]).toMatchObject({ steps: [1, 2, 4], reason: "INC-17: stop it" });

  await expect(page.getByRole("region", { name: "Your decision" })).toContainText("all 3 steps");
  await accessible(page, "a plan that waits");
  await page.getByRole("button", { name: "Approve all" }).click();
  await expect(page.getByRole("region", { name: "Your decision" })).toBeHidden();
  fixture.planState = "succeeded";
  await page.reload();
  await page.getByRole("button", { name: "Undo everything" }).click();
  const undo = page.getByRole("dialog", { name: "Undo everything" });
  await expect(undo).toContainText("What stays as it is");
  await expect(undo).toContainText("cannot be taken back");
  await undo.getByLabel("Reason").fill("a false alarm");
  await undo.getByRole("button", { name: /^Undo \d step/ }).click();
  await expect(undo).toBeHidden();
  expect(sentTo(fixture, "/undo")[0]).toEqual({ reason: "a false alarm" });
});

test("the record: taken on, titled, noted, closed with what it was, and exported", async ({ page, stage }) => {
  const fixture = await told(page, stage);
  await page.goto("/incidents/17");
  await settled(page);
  await page.getByRole("button", { name: "Begin work" }).click();
  await expect(page.getByRole("region", { name: "How it stands" })).toContainText("in progress");
  await page.getByRole("button", { name: "Change", exact: true }).click();
  await page.getByRole("menuitem", { name: "Title…" }).click();
  await page.getByRole("dialog").getByLabel("Title").fill("A dropper on web-1");
  await page.getByRole("dialog").getByRole("button", { name: "Change" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("A dropper on web-1");
  await page.getByRole("tab", { name: /Notes/ }).click();
  await page.getByLabel("New note").fill("Looked at the crontab.");
  await page.getByRole("button", { name: "Add the note" }).click();
  await expect(page.getByText("Looked at the crontab.")).toBeVisible();
  await page.getByRole("tab", { name: "ATT&CK" }).click();
  await expect(page.getByRole("region", { name: "Persistence" })).toContainText("Scheduled Task/Job: Cron");
  await accessible(page, "ATT&CK");
  await page.getByRole("button", { name: "Close…" }).click();
  await page.getByRole("dialog").getByRole("radio", { name: "Benign" }).check();
  await page.getByRole("dialog").getByRole("button", { name: "Close it" }).click();
  await expect(page.getByRole("region", { name: "How it stands" })).toContainText("closed: benign");
  await page.getByRole("button", { name: "Export" }).click();
  await expect(page.getByRole("menuitem", { name: "STIX 2.1" })).toHaveAttribute(
    "href",
    `/api/v1/incidents/${INCIDENT}/export?format=stix`,
  );
  expect(fixture.sent.map(({ method }) => method)).toEqual(["PATCH", "PATCH", "POST", "PATCH"]);
});

test("on a phone the details come over the chain, and nothing stands beyond the edge", async ({ page, stage }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await told(page, stage);
  for (const path of ["/incidents", "/incidents/17", "/incidents/17?tab=activity", "/events", "/incidents/17/cut"]) {
    await page.goto(path);
    await settled(page);
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(beyond, path).toBeLessThanOrEqual(0);
    await accessible(page, path);
  }
  await page.goto("/incidents/17?tab=activity");
  await page.getByRole("link", { name: /curl created/ }).click();
  await expect(page.getByRole("dialog", { name: "Details" })).toContainText("File creation");
});
