/// The stage itself: what the other tests rest on.

import { expect, signIn, test } from "./stage";

test("an endpoint can be asked from outside of the code that claims its state", async ({ stage }) => {
  expect(Object.keys(stage.told.endpoints).sort()).toEqual(["db-1", "hr-laptop", "sales-laptop", "web-1"]);
  expect(await stage.reach("web-1")).toBe(true);
  expect(await stage.sh("web-1", "hostname")).toBe("web-1\n");
  await stage.beacon("db-1");
  await expect.poll(() => stage.running("db-1")).toBeGreaterThan(1);
  await stage.sh("db-1", "pkill -KILL sysupdated; true");
  await expect.poll(() => stage.running("db-1")).toBe(0);
});

test("everybody can sign in", async ({ stage, page }) => {
  for (const name of ["maria", "ana", "arno", "olga", "aude"] as const) {
    await page.context().clearCookies();
    await signIn(page, stage, name);
    const me = await page.request.get("/api/v1/me");
    expect(((await me.json()) as { email: string }).email).toBe(stage.person(name).email);
  }
});
