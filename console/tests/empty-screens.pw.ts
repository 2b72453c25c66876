/// Every list before anything was done: what is empty teaches, and everybody can read it.

import { look } from "./look";
import { test } from "./stage";

test.use({ alone: "empty-screens" });
test.describe.configure({ timeout: 300_000 });

for (const theme of ["light", "dark"] as const) {
  test(`${theme}: every list before anything was done`, async ({ page, stage }) => {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await look(page, stage, { theme, isEmpty: true });
  });
}
