/// A look at every screen: without a violation of WCAG 2.2 AA, without a complaint, within the edges, and as a picture
/// for the docs where these are wanted.

import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import type { Page } from "@playwright/test";

import { violations } from "./axe";
import { type Screen, screens, settled } from "./screens";
import { expect, signIn, type Stage, test } from "./stage";

const pictures = process.env["QUELL_SCREENSHOTS"] === "1";
const folder = join(import.meta.dirname, "../../docs/screenshots");

interface How {
  theme: string;
  isPhone?: boolean;
  /** Before anything was done: lists are empty and teach. */
  isEmpty?: boolean;
}

/** Goes through all of them, and says at the end what is wrong and where. */
export async function look(page: Page, stage: Stage, { theme, isPhone = false, isEmpty = false }: How): Promise<void> {
  const suffix = isPhone ? "-phone" : "";
  const all = await screens(stage, !isEmpty);
  expect(all.length).toBeGreaterThan(8);
  /** What is wrong, and on which screens. */
  const wrong = new Map<string, string[]>();
  const note = (what: string, path: string): void => {
    wrong.set(what, [...(wrong.get(what) ?? []), path]);
  };
  for (const screen of [...all.filter((one) => one.isPublic), ...all.filter((one) => !one.isPublic)]) {
    if (screen.isPublic) await page.context().clearCookies();
    else if ((await page.context().cookies()).length === 0) await signIn(page, stage, "maria");
    await test.step(`${screen.name} ${theme}${suffix}`, async () => {
      try {
        await page.goto(screen.path);
        await settled(page);
        for (const what of await violations(page)) note(what, screen.path);
        if (isPhone) await fits(page, screen);
        if (pictures && !isEmpty && (!isPhone || screen.name.startsWith("approval")))
          await picture(page, `${screen.name}-${theme}${suffix}`);
      } catch (error) {
        note(error instanceof Error ? error.message : String(error), screen.path);
      }
    });
  }
  const told = [...wrong].map(([what, paths]) => `${what}\n    on ${paths.join(", ")}`);
  if (told.length > 0) throw new Error(`${theme}${suffix}:\n\n${told.join("\n\n")}`);
}

/** On a phone nothing stands beyond the edge. */
async function fits(page: Page, screen: Screen): Promise<void> {
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(beyond, `${screen.path} is ${String(beyond)} px too wide for a phone`).toBeLessThanOrEqual(0);
}

/** A small picture: few colours are enough for a screen. */
async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.png`);
  await page.screenshot({ path });
  execFileSync("pngquant", ["--force", "--speed", "1", "--output", path, "48", path]);
}
