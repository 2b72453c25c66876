/// A server that was just started: whoever has its code makes the first administrator, once.

import { accessible } from "./axe";
import { expect, test } from "./stage";

test.use({ kind: "empty" });

test("the first administrator is made with the server's code, and then nobody else", async ({
  page,
  stage,
  browser,
}) => {
  const other = await (await browser.newContext({ baseURL: stage.url })).newPage();
  await page.goto("/");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Set up Quell");
  await accessible(page, "the first set-up");
  await other.goto("/setup");
  const fill = async (who: typeof page, code: string): Promise<void> => {
    await who.getByLabel("Code of the server").fill(code);
    await who.getByLabel("Organisation").fill("Lusitania Freight");
    await who.getByLabel("Your name").fill("Maria Silva");
    await who.getByLabel("E-mail address").fill("maria@lusitania.example");
    await who.getByLabel(/^Password( \*)?$/).fill("four quiet lorries at dawn");
    await who.getByLabel(/^Password, again/).fill("four quiet lorries at dawn");
    await who.getByRole("button", { name: "Set up and sign in" }).click();
  };
  await fill(page, "aaaaaa-bbbbbb-cccccc-dddddd");
  await expect(page.getByRole("alert").filter({ hasText: "request" })).toBeVisible();
  await fill(page, stage.told.code ?? "");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Quell is yours");
  await accessible(page, "after the first set-up");
  await page.getByRole("button", { name: "To the overview" }).click();
  await expect(page.getByRole("button", { name: "Maria Silva, account" })).toBeVisible();

  await fill(other, stage.told.code ?? "");
  await expect(other.getByRole("alert").filter({ hasText: "request" })).toBeVisible();
  await other.goto("/setup");
  await expect(other.getByRole("heading", { level: 1 })).toHaveText("This server is set up");
  await other.context().close();
});
