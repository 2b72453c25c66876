/// What another product tells stands under Events at once, as the server took it, with why nothing is offered.

import { settled } from "./screens";
import { expect, signIn, test } from "./stage";

test.use({ kind: "fresh", alone: "incidents-told" });

/** An alert as Falco writes it. */
function alert(rule: string, hostname: string): Record<string, unknown> {
  return {
    uuid: crypto.randomUUID(),
    output: `Warning ${rule} <img src=x onerror=1> \u202Egnp`,
    priority: "Warning",
    rule,
    time: new Date().toISOString(),
    output_fields: { "proc.exepath": "/usr/bin/bash", "proc.cmdline": "bash -i", "user.name": "root" },
    source: "syscall",
    tags: ["T1059", "mitre_execution"],
    hostname,
  };
}

test("an alert of Falco comes live, says why nothing is offered, and is filtered", async ({ page, stage }) => {
  await signIn(page, stage, "maria");
  await page.goto("/events");
  await settled(page);
  await expect(page.getByText("Nothing was detected yet")).toBeVisible();
  const taken = await stage.api<{ taken: number }>("POST", "/ingest/falco", [
    alert("Terminal shell in container", "web-1"),
    alert("Write below etc", "nobody-knows-this-host"),
  ]);
  expect(taken.taken).toBe(2);
  // Live: nothing is read anew by hand.
  const shell = page.getByRole("link", { name: /Terminal shell in container/ });
  await expect(shell).toBeVisible();
  await shell.click();
  const panel = page.getByTestId("no-response");
  await expect(panel).toBeVisible();
  await expect(panel).toContainText("Response actions are not offered");
  await expect(page.getByTestId("details")).toContainText("T1059");
  await page.getByRole("link", { name: /Write below etc/ }).click();
  await expect(page.getByTestId("details")).toContainText("nobody-knows-this-host");
  await expect(panel.getByRole("button", { name: /for its chain/ })).toHaveCount(0);
  expect(await page.evaluate(() => document.querySelector("img[src='x']") === null)).toBe(true);
  await page.goto("/events?origin=endpoint");
  await expect(page.getByText("No event is like that")).toBeVisible();
  await page.goto("/incidents");
  await settled(page);
  await expect(page.getByText("No incident yet")).toBeVisible();
});
