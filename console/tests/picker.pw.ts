/// A process chosen from what runs: found by its name, named beyond doubt, ended.

import { send } from "./act";
import { accessible } from "./axe";
import { settled } from "./screens";
import { expect, signIn, test } from "./stage";

test.use({ alone: "shell" });
test.describe.configure({ timeout: 120_000 });

test("a process is picked from the list of its endpoint, and that one is ended", async ({ page, stage }) => {
  await stage.sh("db-1", "setsid sleep 4730 >/dev/null 2>&1 & setsid sleep 4731 >/dev/null 2>&1 &");
  const sleeping = async (): Promise<string> =>
    await stage.sh(
      "db-1",
      "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null; echo; done | grep '^sleep 473' | sort",
    );
  await expect.poll(sleeping).toBe("sleep 4730 \nsleep 4731 \n");

  await signIn(page, stage, "maria");
  await page.goto("/endpoints");
  await settled(page);
  await page.getByRole("button", { name: "Act", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Act" });
  await dialog.getByLabel("What is to be done").fill("Terminate Process");
  await dialog.getByRole("option").first().waitFor();
  await dialog.getByLabel("What is to be done").press("Enter");
  const open = dialog.getByRole("button", { name: "Pick from what runs…" });
  await expect(open).toHaveAttribute("aria-disabled", "true");
  await dialog.getByRole("textbox", { name: "Add an endpoint" }).fill("db-1");
  await page.getByRole("option", { name: "db-1" }).first().click();
  await open.click();
  await dialog.getByLabel("Search processes").fill("4731");
  const row = dialog.getByRole("region", { name: "Processes" }).getByRole("row").filter({ hasText: "4731" });
  await expect(row).toHaveCount(1);
  await accessible(page, "what runs on an endpoint");
  await row.getByRole("button").click();
  await expect(dialog.getByLabel("Process ID")).toHaveValue(/^\d+$/);
  await expect(dialog.getByLabel("Start time")).toHaveValue(/^\d+$/);
  await expect(dialog.getByText("sleep 4731")).toBeVisible();
  await dialog.getByLabel("Reason").fill("INC-7: it sleeps");
  await send(page, "db-1");
  await expect.poll(sleeping, { timeout: 30_000 }).toBe("sleep 4730 \n");
});
