/// The ways in: password, one-time codes, passkey; and back to where one wanted to go.

import type { Page } from "@playwright/test";

import { accessible } from "./axe";
import { settled } from "./screens";
import { expect, type Name, signIn, type Stage, test } from "./stage";
import { codeOf } from "./totp";

test.use({ alone: "sign-in" });

async function typeIn(page: Page, stage: Stage, name: Name): Promise<void> {
  await page.getByLabel("E-mail address").fill(stage.person(name).email);
  await page.getByLabel(/^Password( \*)?$/).fill(stage.person(name).password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

async function signOut(page: Page): Promise<void> {
  await page.getByRole("button", { name: /, account$/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "Sign in", level: 1 })).toBeVisible();
}

test("with a password, back to the screen that was asked for", async ({ page, stage }) => {
  await page.goto("/tasks?state=failed");
  await expect(page).toHaveURL(/\/sign-in/);
  await page.getByLabel("E-mail address").fill(stage.person("ana").email);
  await page.getByLabel(/^Password( \*)?$/).fill("not the password at all");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  const failure = page.getByRole("alert");
  await expect(failure).toContainText("request");
  await accessible(page, "a refused sign-in");
  await typeIn(page, stage, "ana");
  await expect(page).toHaveURL(/\/tasks\?state=failed/);
  await expect(page.getByRole("button", { name: "Ana Costa, account" })).toBeVisible();
  await signOut(page);
  await page.goto("/tasks");
  await expect(page).toHaveURL(/\/sign-in/);
});

test("with a password and a code of an app, or a recovery code in its place", async ({ page, stage }) => {
  await signIn(page, stage, "arno");
  await page.goto("/profile?tab=ways-in");
  await page.getByRole("button", { name: "Turn on" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Your password").fill(stage.person("arno").password);
  await dialog.getByRole("button", { name: "Go on" }).click();
  const secret = (await dialog.locator("code").first().textContent()) ?? "";
  await dialog.getByLabel(/code that the app shows/).fill(codeOf(secret));
  await dialog.getByRole("button", { name: "Turn on" }).click();
  await expect(dialog.getByText("Codes are on")).toBeVisible();
  const recovery = ((await dialog.getByLabel("Recovery codes").textContent()) ?? "").split("\n")[0] ?? "";
  await dialog.getByRole("button", { name: "I have kept them" }).click();
  await signOut(page);

  await typeIn(page, stage, "arno");
  // The code of now was spent when codes were turned on; a step ahead is taken too.
  await page.getByLabel("Code of your authenticator app").fill(codeOf(secret, 1));
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("button", { name: "Arno Weber, account" })).toBeVisible();
  await signOut(page);

  await typeIn(page, stage, "arno");
  await page.getByRole("button", { name: "Use a recovery code" }).click();
  await page.getByLabel("Recovery code").fill(recovery);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("button", { name: "Arno Weber, account" })).toBeVisible();
});

test("with a passkey", async ({ page, stage }) => {
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable");
  await session.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await signIn(page, stage, "aude");
  await page.goto("/profile?tab=ways-in");
  await page.getByRole("button", { name: "Add a passkey" }).click();
  const dialog = page.getByRole("dialog", { name: "Add a passkey" });
  await dialog.getByLabel("Name").fill("blue token");
  await dialog.getByRole("button", { name: "Go on" }).click();
  await expect(page.getByRole("table", { name: "Your passkeys" })).toContainText("blue token");
  await signOut(page);
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await expect(page.getByRole("button", { name: "Aude Martin, account" })).toBeVisible();
  await settled(page);
});
