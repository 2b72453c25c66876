/// Asking for an action in the dialog, as a person does.

import { expect, type Locator, type Page } from "@playwright/test";

import { idOf } from "./stage";

export interface Wish {
  /** What is typed to find the action; the first that is found is taken. */
  action: string;
  /** None where the action is for the service as a whole. */
  endpoint?: string;
  reason: string;
  /** Fields of the form by their label. */
  fields?: Record<string, string>;
  /** Boxes of the form that are ticked; those that are folded away are found. */
  ticks?: string[];
  /** What else is done in the form before the reason is given. */
  form?: (dialog: Locator) => Promise<void>;
  /** What is typed where the server wants to know that it is them. */
  password?: string;
}

const TASK = /\/tasks\/[0-9a-f-]{36}/;

/** Opens the dialog on an action and an endpoint. */
export async function begin(page: Page, { action, endpoint }: Pick<Wish, "action" | "endpoint">): Promise<Locator> {
  await page.getByRole("button", { name: "Act", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Act" });
  await dialog.getByLabel("What is to be done").fill(action);
  await dialog.getByRole("option").first().waitFor();
  await dialog.getByLabel("What is to be done").press("Enter");
  if (endpoint !== undefined) {
    await dialog.getByRole("textbox", { name: "Add an endpoint" }).fill(endpoint);
    await page.getByRole("option", { name: endpoint }).first().click();
  }
  return dialog;
}

/** Asks by the button `Act`; ends on the page of the task, or where `leads` says, whose id it answers. */
export async function ask(page: Page, wish: Wish, leads = TASK): Promise<string> {
  const dialog = await begin(page, wish);
  for (const [label, value] of Object.entries(wish.fields ?? {}))
    await dialog.getByRole("textbox", { name: label, exact: true }).fill(value);
  for (const label of wish.ticks ?? []) {
    await dialog.getByRole("button", { name: /^More:/ }).click();
    await dialog.getByRole("checkbox", { name: label }).check();
  }
  await wish.form?.(dialog);
  await dialog.getByLabel("Reason").fill(wish.reason);
  return await send(page, wish.endpoint, leads, wish.password);
}

/** The last step: what it would do has been told, what is to be typed is typed. */
export async function send(page: Page, endpoint?: string, leads = TASK, password?: string): Promise<string> {
  const dialog = page.getByRole("dialog", { name: "Act" });
  if (endpoint !== undefined) await expect(dialog.getByTestId("blast")).toContainText(endpoint);
  await expect(dialog.getByTestId("approval")).toBeVisible();
  await expect(dialog.getByTestId("send")).not.toHaveAttribute("aria-disabled", "true");
  const typed = dialog.getByLabel(/^To confirm, type/);
  if (await typed.isVisible()) await typed.fill(endpoint ?? (await wanted(dialog)));
  await dialog.getByTestId("send").click();
  if (password !== undefined) {
    const sure = page.getByRole("dialog", { name: "Confirm that it is you" });
    await sure.getByLabel("Your password").fill(password);
    await sure.getByRole("button", { name: "Confirm", exact: true }).click();
  }
  await expect(page).toHaveURL(leads);
  await expect(dialog).toBeHidden();
  return idOf(page.url());
}

/** What is to be typed, as the label says it. */
async function wanted(dialog: Locator): Promise<string> {
  const label = await dialog.locator("label", { hasText: /^To confirm, type/ }).textContent();
  return /: (.+)$/.exec(label ?? "")?.[1] ?? "";
}

/** Types what is wrong into a field, which says why. */
export async function wrong(dialog: Locator, label: string, value: string, says: string | RegExp): Promise<void> {
  const box = dialog.getByRole("textbox", { name: label, exact: true });
  await box.fill(value);
  await expect(box).toHaveAttribute("aria-invalid", "true");
  await expect(box).toHaveAccessibleDescription(says);
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
