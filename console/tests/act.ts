/// Asking for an action in the dialog, as a person does.

import { expect, type Page } from "@playwright/test";

import { idOf } from "./stage";

export interface Wish {
  /** What is typed to find the action; the first that is found is taken. */
  action: string;
  endpoint: string;
  reason: string;
  /** Fields of the form by their label. */
  fields?: Record<string, string>;
  /** Boxes of the form that are ticked; those that are folded away are found. */
  ticks?: string[];
}

/** Asks by the button `Act`; ends on the page of the task, whose id it answers. */
export async function ask(page: Page, wish: Wish): Promise<string> {
  await page.getByRole("button", { name: "Act", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Act" });
  await dialog.getByLabel("What is to be done").fill(wish.action);
  await dialog.getByRole("option").first().waitFor();
  await dialog.getByLabel("What is to be done").press("Enter");
  await dialog.getByRole("textbox", { name: "Add an endpoint" }).fill(wish.endpoint);
  await page.getByRole("option", { name: wish.endpoint }).first().click();
  for (const [label, value] of Object.entries(wish.fields ?? {})) await dialog.getByLabel(label).first().fill(value);
  for (const label of wish.ticks ?? []) {
    await dialog.getByRole("button", { name: /^More:/ }).click();
    await dialog.getByRole("checkbox", { name: label }).check();
  }
  await dialog.getByLabel("Reason").fill(wish.reason);
  return await send(page, wish.endpoint);
}

/** The last step: what it would do has been told, what is to be typed is typed. */
export async function send(page: Page, endpoint: string): Promise<string> {
  const dialog = page.getByRole("dialog", { name: "Act" });
  await expect(dialog.getByTestId("blast")).toContainText(endpoint);
  await expect(dialog.getByTestId("approval")).toBeVisible();
  const typed = dialog.getByLabel(/^To confirm, type/);
  if (await typed.isVisible()) await typed.fill(endpoint);
  await dialog.getByTestId("send").click();
  await expect(page).toHaveURL(/\/tasks\/[0-9a-f-]{36}/);
  await expect(dialog).toBeHidden();
  return idOf(page.url());
}

/** Marks the page, so that a reload would be noticed. */
export async function mark(page: Page): Promise<() => Promise<void>> {
  await page.evaluate(() => {
    (window as unknown as { marked: boolean }).marked = true;
  });
  return async () => {
    expect(await page.evaluate(() => (window as unknown as { marked?: boolean }).marked), "no reload").toBe(true);
  };
}
