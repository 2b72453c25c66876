/// The block list in the console: a file is looked at, listed by a task, found again, taken off; exceptions are kept.

import { ask, wrong } from "./act";
import { accessible } from "./axe";
import { settled } from "./screens";
import { expect, signIn, test } from "./stage";

test.use({ alone: "blocklist" });
test.describe.configure({ timeout: 120_000 });

test("a file is looked at, its objects are listed and found, exceptions are added and ended", async ({
  page,
  stage,
}) => {
  await signIn(page, stage, "maria");
  await page.goto("/blocklist?tab=import");
  await settled(page);
  await page.getByLabel("Or paste it").fill("evil[.]example\n192.0.2.0/24\nnonsense\n0.0.0.0/0\n");
  await page.getByRole("button", { name: "Look at it" }).click();
  const found = page.getByRole("region", { name: "What is in it" });
  await expect(found).toContainText("2 objects");
  await expect(found.getByRole("row").filter({ hasText: "0.0.0.0/0" })).toContainText("too wide");
  await accessible(page, "a file of indicators that was looked at");

  // A program is listed by what it is, beside a name and a network: nobody runs it then.
  const digest = (
    await stage.sh("web-1", "cp /bin/echo /root/theirs; echo x >> /root/theirs; sha256sum /root/theirs")
  ).slice(0, 64);
  const run = (): Promise<string> => stage.sh("web-1", "/root/theirs ran 2>/dev/null || echo refused");
  expect(await run()).toBe("ran\n");
  await ask(page, {
    action: "Add to Block List",
    reason: "ticket 7",
    form: async (dialog) => {
      const add = dialog.getByRole("button", { name: /^Add( another)?$/ });
      const value = dialog.getByRole("textbox", { name: "Value" });
      await add.click();
      await wrong(dialog, "Value", "0.0.0.0/0", /too wide/);
      await value.fill("evil.example");
      await add.click();
      await value.nth(1).fill("192.0.2.0/24");
      await dialog.getByRole("combobox", { name: "Action" }).nth(1).click();
      await page.getByRole("option", { name: /^Log/ }).click();
      await add.click();
      await value.nth(2).fill(digest);
    },
  });
  await expect(page.getByText("Verified: the effect was seen.")).toBeVisible({ timeout: 30_000 });
  await expect.poll(run, { timeout: 30_000 }).toBe("refused\n");

  await page.goto("/blocklist?kind=ip");
  await settled(page);
  await expect(page.getByRole("row").filter({ hasText: "192.0.2.0/24" })).toContainText("log");
  await expect(page.getByRole("row").filter({ hasText: "evil.example" })).toHaveCount(0);
  await accessible(page, "the block list");

  await ask(page, {
    action: "Remove from Block List",
    reason: "ticket 7: it is ours",
    form: async (dialog) => {
      await dialog.getByRole("button", { name: /^Add( another)?$/ }).click();
      await wrong(dialog, "Value", "nonsense", /./);
      await dialog.getByRole("textbox", { name: "Value" }).fill(digest);
    },
  });
  await expect(page.getByText("Verified: the effect was seen.")).toBeVisible({ timeout: 30_000 });
  await expect.poll(run, { timeout: 30_000 }).toBe("ran\n");

  await page.goto("/blocklist?tab=coverage");
  await settled(page);
  await accessible(page, "who enforces the block list");

  await page.goto("/blocklist?tab=exceptions");
  await settled(page);
  await page.getByLabel("Value").fill("*.corp.example");
  await page.getByLabel("Reason").fill("ours");
  await page.getByRole("button", { name: "Add exception" }).click();
  const row = page.getByRole("row").filter({ hasText: "*.corp.example" });
  await expect(row).toContainText("ours");
  await row.getByRole("button", { name: "End" }).click();
  await accessible(page, "the exceptions of the block list");
  await row.getByRole("button", { name: "End it" }).click();
  await expect(page.getByText("There is no exception.")).toBeVisible();
});
