/// The library: what is added, refused with its line, compared, archived; and the rows of a task as one list.

import { accessible } from "./axe";
import { settled } from "./screens";
import { expect, signIn, test } from "./stage";

test.use({ alone: "library" });
test.describe.configure({ timeout: 120_000 });

const RULE = 'rule beacon { strings: $a = "a beacon calls home" condition: $a }\n';

test("rules are refused at their line, added, changed, compared and archived", async ({ page, stage }) => {
  await signIn(page, stage, "maria");
  await page.goto("/library?kind=yara");
  await settled(page);
  await accessible(page, "the library");
  await page.getByRole("button", { name: "Add a set of rules" }).first().click();
  await page.getByLabel("Name", { exact: false }).first().fill("beacon");
  const text = page.getByRole("textbox", { name: "Text" });
  await text.fill("rule broken {\n  condition: $b\n}\n");
  await page.getByRole("button", { name: "Check it" }).click();
  const place = page.getByRole("button", { name: /^Line 2/ });
  await expect(place).toBeVisible();
  await place.click();
  await expect(text).toBeFocused();
  await text.fill(RULE);
  await page.getByRole("button", { name: "Check it" }).click();
  await expect(page.getByRole("status").filter({ hasText: "1 rules" })).toBeVisible();
  await page.getByRole("button", { name: "Add the set of rules" }).click();
  await expect(page).toHaveURL(/\/library\/yara\/beacon/);

  await page.getByRole("button", { name: "New version" }).click();
  await page.getByRole("textbox", { name: "Text" }).fill(`${RULE}${RULE.replace("beacon {", "beacon_2 {")}`);
  await page.getByLabel("Note").fill("two of them");
  await page.getByRole("button", { name: "Add version 2" }).click();
  await expect(page.getByRole("navigation", { name: "Versions" })).toContainText("two of them");
  await page.getByText("What changed").click();
  await expect(page.getByRole("region", { name: "From version 1 to version 2" })).toContainText("beacon_2");
  await accessible(page, "an item of the library");

  await page.getByRole("button", { name: "Archive" }).click();
  await expect(page.getByText("no new task names it")).toBeVisible();
  await page.goto("/library?kind=yara&archived=true");
  await expect(page.getByRole("row").filter({ hasText: "beacon" })).toBeVisible();
});

test("behaviour rules are refused at their line, uploaded, changed and compared", async ({ page, stage }) => {
  const before = `title: Fetched into shared memory
id: 1b0a7d5e-2f4c-4c59-9a35-0c2f4f6a7e11
level: high
tags: [attack.t1105]
logsource: {product: linux, category: process_creation}
detection:
  place:
    CommandLine|contains: /dev/shm/
  condition: place
`;
  await signIn(page, stage, "maria");
  await page.goto("/library?kind=sigma");
  await settled(page);
  await page.getByRole("button", { name: "Add a set of behaviour rules" }).first().click();
  await page.getByLabel("Name", { exact: false }).first().fill("shared-memory");
  const text = page.getByRole("textbox", { name: "Text" });
  await text.fill(before.replace("condition: place", "condition: palce"));
  await page.getByRole("button", { name: "Check it" }).click();
  const place = page.getByRole("button", { name: /^Line 9/ });
  await expect(place).toBeVisible();
  await place.click();
  await expect(text).toBeFocused();
  await page
    .locator("input[type=file]")
    .setInputFiles({ name: "shared-memory.yml", mimeType: "application/yaml", buffer: Buffer.from(before) });
  await expect(text).toHaveValue(before);
  await page.getByRole("button", { name: "Check it" }).click();
  await expect(page.getByRole("status").filter({ hasText: "1 rules" })).toBeVisible();
  await page.getByRole("button", { name: "Add the set of behaviour rules" }).click();
  await expect(page).toHaveURL(/\/library\/sigma\/shared-memory/);
  await expect(page.getByText("Protection does not use it.")).toBeVisible();

  await page.getByRole("button", { name: "New version" }).click();
  await page.getByRole("textbox", { name: "Text" }).fill(before.replace("level: high", "level: critical"));
  await page.getByRole("button", { name: "Add version 2" }).click();
  await expect(page.getByRole("navigation", { name: "Versions" })).toContainText("2 · newest");
  await page.getByText("What changed").click();
  await expect(page.getByRole("region", { name: "From version 1 to version 2" })).toContainText("level: critical");
  await accessible(page, "a set of behaviour rules");
});

test("the rows of two endpoints are one list", async ({ page, stage }) => {
  await signIn(page, stage, "ana");
  const endpoints = ["web-1", "db-1"].map((name) => stage.told.endpoints[name] ?? name);
  const task = await stage.api<{ id: string }>("POST", "/tasks", {
    action: "process.list",
    params: {},
    targets: { endpoints },
    reason: "what runs there",
  });
  await page.goto(`/tasks/${task.id}`);
  const rows = page.getByRole("region", { name: "Rows", exact: true });
  await expect(rows.getByText("2 of 2 endpoints complete")).toBeVisible({ timeout: 30_000 });
  await accessible(page, "rows of a task");
  await rows
    .getByRole("button", { name: /^All values of this row/ })
    .first()
    .click();
  await expect(page.getByRole("dialog")).toContainText("start_time");
});
