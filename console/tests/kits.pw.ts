/// Whose investigation kits are taken: a key is added, a kit that it signed runs for an outside team and leaves nothing,
/// and none is taken any more once the key is removed.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ask, begin } from "./act";
import { accessible } from "./axe";
import { settled } from "./screens";
import { another, expect, programs, signIn, test } from "./stage";

test.use({ alone: "shell" });
test.describe.configure({ timeout: 120_000 });

const KIT = `name: first-look
version: "1"
steps:
  - {name: who, kind: script, file: who.sh}
`;

/** A signed kit whose script leaves a mark, and the key that signed it. */
function kit(folder: string): { file: string; key: string } {
  const quell = (...words: string[]): string => execFileSync(join(programs(), "quell"), words).toString().trim();
  const [dir, key, file] = [join(folder, "first-look"), join(folder, "kit.key"), join(folder, "first-look.kit")];
  mkdirSync(dir);
  writeFileSync(join(dir, "kit.yaml"), KIT);
  writeFileSync(join(dir, "who.sh"), "#!/bin/sh\nid -u > /root/kit-was-here; ls $QUELL_KIT\n");
  const printed = quell("kit", "key", "--out", key);
  quell("kit", "sign", dir, "--key", key, "--out", file);
  return { file, key: printed };
}

test("a kit is taken by its key, runs, leaves nothing, and is taken no more", async ({ page, stage, browser }) => {
  const folder = mkdtempSync(join(tmpdir(), "quell-kit-"));
  const { file, key } = kit(folder);
  await signIn(page, stage, "maria");

  // The library takes none whose key nobody added.
  await page.goto("/library/new?kind=kit");
  await page.locator("input[type=file]").setInputFiles(file);
  await page.getByRole("button", { name: "Check it" }).click();
  await expect(page.getByText(/not registered/).first()).toBeVisible();

  await page.goto("/settings/kit-keys");
  await settled(page);
  await expect(page.getByRole("heading", { name: "No keys" })).toBeVisible();
  await page.getByRole("button", { name: "Add key" }).first().click();
  const adding = page.getByRole("dialog", { name: "Add a key" });
  await adding.getByRole("textbox", { name: "Name" }).fill("Watch");
  const box = adding.getByRole("textbox", { name: "Public key" });
  await box.fill("ed25519:nonsense");
  await adding.getByRole("button", { name: "Add the key" }).click();
  await expect(box).toHaveAccessibleDescription(/must be `ed25519:`/);
  await accessible(page, "a key of kits that is refused");
  await box.fill(key);
  await adding.getByRole("button", { name: "Add the key" }).click();
  await expect(adding).toBeHidden();
  const row = page.getByRole("row").filter({ hasText: "Watch" });
  await expect(row).toContainText(key);
  await accessible(page, "keys of kits");

  await page.goto("/library/new?kind=kit");
  await page.locator("input[type=file]").setInputFiles(file);
  await page.getByRole("button", { name: "Add the investigation kit" }).click();
  await expect(page).toHaveURL(/\/library\/kit\/first-look/);

  // The tenant's own people do not ask for kits, and see why.
  const own = await begin(page, { action: "Run Investigation Kit", endpoint: "web-1" });
  await own.getByRole("combobox", { name: "Kit" }).click();
  await page.getByRole("option", { name: /^first-look/ }).click();
  await expect(own.getByTestId("refused")).toContainText("outside operations team alone");

  const maria = await stage.as("maria");
  await maria("PUT", "/approval-policy", {
    managed: { auto_approve: true, actions: ["endpoint.run_investigation_kit"] },
  });
  const olga = await another(browser, stage, "olga");
  await olga.goto("/tasks");
  await ask(olga, {
    action: "Run Investigation Kit",
    endpoint: "web-1",
    reason: "a look at what the alert is about",
    form: async (dialog) => {
      await dialog.getByRole("combobox", { name: "Kit" }).click();
      await olga.getByRole("option", { name: /^first-look/ }).click();
    },
  });
  await expect(olga.getByText("Verified: the effect was seen.")).toBeVisible({ timeout: 30_000 });
  await accessible(olga, "what a kit did");
  expect(await stage.sh("web-1", "cat /root/kit-was-here; find / -xdev -name kit.yaml 2>/dev/null; true")).toBe("0\n");

  await page.goto("/settings/kit-keys");
  await row.getByRole("button", { name: "Remove" }).click();
  const sure = page.getByRole("dialog", { name: "Remove the key" });
  await expect(sure).toContainText("Watch");
  await accessible(page, "before a key of kits is removed");
  await sure.getByRole("button", { name: "Remove", exact: true }).click();
  await expect(page.getByRole("heading", { name: "No keys" })).toBeVisible();

  const again = await begin(olga, { action: "Run Investigation Kit", endpoint: "web-1" });
  await again.getByRole("combobox", { name: "Kit" }).click();
  await olga.getByRole("option", { name: /^first-look/ }).click();
  await expect(again.getByTestId("blast")).toContainText("taken no more");
  await expect(again.getByTestId("send")).toHaveAttribute("aria-disabled", "true");
  await olga.context().close();
  rmSync(folder, { recursive: true });
});
