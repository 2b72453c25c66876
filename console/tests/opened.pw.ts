/// What opens on top of a screen: usable by everyone too, and what is saved there is found again.

import type { Page } from "@playwright/test";

import { accessible } from "./axe";
import { settled } from "./screens";
import { expect, signIn, test } from "./stage";

test.use({ kind: "played", alone: "opened" });

/** Opens each from a fresh screen, and looks at it when it stands. */
async function open(page: Page, path: string, what: string, how: () => Promise<void>): Promise<void> {
  await test.step(what, async () => {
    await page.goto(path);
    await settled(page);
    await how();
    await settled(page);
    await accessible(page, what);
  });
}

test("what opens is without a violation of WCAG 2.2 AA", async ({ page, stage }) => {
  test.setTimeout(120_000);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await signIn(page, stage, "maria");
  await open(page, "/tasks", "the saved views", async () => {
    await page.getByRole("button", { name: "Views" }).click();
    await expect(page.getByRole("textbox", { name: "Name of the view" })).toBeVisible();
  });
  await open(page, "/tasks", "the choice of columns", async () => {
    await page.getByRole("button", { name: "Choose columns" }).click();
    await expect(page.getByRole("dialog", { name: "Choose columns" }).getByRole("checkbox").first()).toBeVisible();
  });
  await open(page, "/tasks", "the export", async () => {
    await page.getByRole("button", { name: "Export" }).click();
    await expect(page.getByRole("menuitem").first()).toBeFocused();
  });
  await open(page, "/tasks", "the account", async () => {
    await page.getByRole("button", { name: /account$/ }).click();
    await expect(page.getByRole("menu")).toBeVisible();
  });
  await open(page, "/tasks", "the keys", async () => {
    await page.keyboard.press("?");
    await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
  });
  await open(page, "/tasks", "the dialog to act", async () => {
    await page.getByRole("button", { name: "Act", exact: true }).click();
    await expect(page.getByRole("dialog", { name: "Act" }).getByLabel("What is to be done")).toBeVisible();
  });
  await open(page, "/tasks?since=zzz&state=lost", "what is not understood", async () => {
    await expect(page.getByText("are not understood and not applied")).toBeVisible();
  });
  await open(page, "/endpoints?enrol=new", "the dialog to enrol", async () => {
    const dialog = page.getByRole("dialog", { name: /enrol/i });
    await expect(dialog).toBeVisible();
  });
  await page.getByLabel("Name of the token").fill("opened");
  await page.getByRole("button", { name: "Make the token" }).click();
  await expect(page.getByText("Waiting for the endpoint.")).toBeVisible();
  await accessible(page, "the commands that enrol");
});

test("a view that is saved is there after a reload, and leads to what it showed", async ({ page, stage }) => {
  await signIn(page, stage, "ana");
  await page.goto("/tasks?state=succeeded");
  await settled(page);
  await page.getByRole("button", { name: "Views" }).click();
  await page.getByRole("textbox", { name: "Name of the view" }).fill("Went well");
  const kept = page.waitForResponse((answer) => answer.url().includes("/me/settings/views.tasks"));
  await page.getByRole("button", { name: "Save", exact: true }).click();
  expect((await kept).ok()).toBe(true);

  await page.goto("/tasks");
  await page.reload();
  await settled(page);
  await page.getByRole("button", { name: "Views" }).click();
  await page.getByRole("button", { name: "Went well", exact: true }).click();
  await expect(page).toHaveURL(/state=succeeded/);
});

test("tasks that are selected stay so while one searches, and are named before they are cancelled", async ({
  page,
  stage,
}) => {
  await signIn(page, stage, "ana");
  await page.goto("/tasks?state=ended");
  await settled(page);
  await page
    .getByRole("checkbox", { name: /^Select (?!all)/ })
    .first()
    .check();
  await expect(page.getByText(/^1 selected of /)).toBeVisible();
  await page.getByRole("textbox", { name: "Search" }).fill("nothing is called like this");
  await expect(page.getByText(/^1 selected, 1 not listed here/)).toBeVisible();
  await expect(page.getByRole("button", { name: "Cancel 0 tasks" })).toHaveAttribute("aria-disabled", "true");
  await page.getByRole("button", { name: "Select none" }).click();
  await expect(page.getByText(/selected/)).toBeHidden();
});

test("what was found before is not shown as if it were so now", async ({ page, stage }) => {
  await signIn(page, stage, "aude");
  await page.goto("/audit");
  await expect(page.getByText("The trail is intact")).toBeVisible();
  await page.route("**/api/v1/audit/verification", (route) => route.abort());
  await page.getByRole("button", { name: "Verify now" }).click();
  await expect(page.getByText("It is not known whether the trail is intact now")).toBeVisible();
  await expect(page.getByText("Reading it again failed")).toBeVisible();
});
