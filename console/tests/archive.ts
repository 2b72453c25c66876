/// What a task brought, taken along from its page and opened by another program than ours.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, type Page } from "@playwright/test";

/** Downloads the archive of the task that is shown, opens it with the password that is shown, and tells of its files. */
export async function unpacked(page: Page, tell: (files: string[]) => void): Promise<void> {
  const card = page.getByRole("region", { name: "Artifacts" });
  await expect(card.getByRole("link", { name: "Download" })).toBeVisible({ timeout: 30_000 });
  await card.getByRole("button", { name: "Show the archive password" }).click();
  const password = (await card.getByTestId("secret").textContent()) ?? "";
  const folder = mkdtempSync(join(tmpdir(), "quell-console-"));
  try {
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      card.getByRole("link", { name: "Download" }).click(),
    ]);
    const archive = join(folder, "archive");
    await download.saveAs(archive);
    const open = join(folder, "open");
    execFileSync("7z", ["x", "-y", "-bd", `-p${password}`, `-o${open}`, archive], { stdio: "pipe" });
    tell(execFileSync("find", [open, "-type", "f"]).toString().trim().split("\n"));
    expect(() => execFileSync("7z", ["t", "-bd", "-pnot-the-password", archive], { stdio: "pipe" })).toThrow();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
