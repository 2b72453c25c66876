/// Every screen in both themes: without a violation of WCAG 2.2 AA, without a complaint, and as a picture for the docs.

import { look } from "./look";
import { furnish } from "./screens";
import { test } from "./stage";

test.use({ kind: "played", alone: "every-screen" });
test.describe.configure({ timeout: 300_000 });

test.beforeAll(async ({ stage }) => {
  await furnish(stage);
});

for (const theme of ["light", "dark"] as const) {
  test(`${theme}: every screen`, async ({ page, stage }) => {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await look(page, stage, { theme });
  });

  test(`${theme}: every screen on a phone`, async ({ page, stage }) => {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await look(page, stage, { theme, isPhone: true });
  });
}
