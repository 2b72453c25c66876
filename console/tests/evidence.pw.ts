/// Evidence in the console: asked for, looked into without unpacking it, and followed back to where it came from.

import { ask, wrong } from "./act";
import { accessible } from "./axe";
import { settled } from "./screens";
import { expect, signIn, test } from "./stage";

test.use({ alone: "evidence" });
test.describe.configure({ timeout: 120_000 });

test("an archive is looked into, one file is read as text and as bytes, and the custody tells of it", async ({
  page,
  stage,
}) => {
  await signIn(page, stage, "maria");
  await page.goto("/tasks");
  await settled(page);
  const task = await ask(page, {
    action: "Collect Evidence",
    endpoint: "web-1",
    reason: "somebody was here",
    form: async (dialog) => {
      await wrong(dialog, "Artifacts", "", /At least one is needed/);
      const wanted = "LinuxAccounts\nLinuxHostsFiles\nLinuxProcessListCommand";
      await dialog.getByRole("textbox", { name: "Artifacts" }).fill(wanted);
    },
  });
  await expect(page.getByText("Verified: the effect was seen.")).toBeVisible({ timeout: 60_000 });
  const { items } = await stage.api<{ items: { id: string }[] }>("GET", `/artifacts?task=${task}`);
  const id = items[0]?.id ?? "";
  await page.goto(`/artifacts/${id}`);
  await settled(page);
  await expect(page.getByRole("row").filter({ hasText: "/etc/passwd" }).first()).toBeVisible();
  await accessible(page, "the content of an archive");
  await page.goto(`/artifacts/${id}?text=%2Fetc%2Fpasswd`);
  await page.getByRole("link", { name: "/etc/passwd" }).click();
  const drawer = page.getByRole("dialog");
  await expect(drawer.getByRole("region", { name: "As text" })).toContainText("root:");
  const digest = (await stage.sh("web-1", "sha256sum /etc/passwd")).slice(0, 64);
  await expect(drawer).toContainText(digest);
  await drawer.getByText("Bytes", { exact: true }).click();
  await expect(drawer.getByRole("region", { name: "As bytes" })).toContainText("72 6f 6f 74 3a");
  await accessible(page, "one file of an archive");

  await page.goto(`/artifacts/${id}?tab=custody`);
  await expect(page.getByText("The endpoint signed the hash of the file that arrived.")).toBeVisible();
  await expect(page.getByRole("region", { name: "Receipt" })).toContainText("Checkpoint");
  await expect(page.getByRole("region", { name: "Accesses" })).toContainText(/view/i);
  await accessible(page, "the custody of an archive");
});
