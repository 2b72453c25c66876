/// Whether people who see or move little can use what is shown: WCAG 2.2, levels A and AA, as far as a program can tell.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import type { Page } from "@playwright/test";
import type axe from "axe-core";

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Fails where axe finds a violation; says what and where. */
export async function accessible(page: Page, what: string): Promise<void> {
  const found = await violations(page);
  if (found.length > 0) throw new Error(`${what}:\n${found.join("\n")}`);
}

/** What axe finds, each with the first elements that it finds it at. */
export async function violations(page: Page): Promise<string[]> {
  // By the browser's own door: the page's policy lets no script in.
  await page.evaluate(source);
  return await page.evaluate(async () => {
    const tool = (window as unknown as { axe: typeof axe }).axe;
    const result = await tool.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
      resultTypes: ["violations"],
    });
    return result.violations.map(
      ({ id, help, nodes }) =>
        `${id}: ${help}\n${nodes
          .slice(0, 4)
          .map((node) => `    ${node.html.slice(0, 160)}\n    ${node.failureSummary?.replaceAll("\n", " ") ?? ""}`)
          .join("\n")}`,
    );
  });
}
