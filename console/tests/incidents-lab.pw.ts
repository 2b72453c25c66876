/// An intrusion that really happens on an endpoint: its incident comes by itself, each response action of each kind of event is
/// asked for in the console, and what it did is looked at from outside of it.

import { type Page } from "@playwright/test";

import { settled } from "./screens";
import { expect, signIn, type Stage, test } from "./stage";

test.use({ kind: "fresh", alone: "incidents-lab" });
test.describe.configure({ timeout: 240_000, mode: "serial" });

const REASON = "INC-1: stop it";
const PROGRAMS = ["a1", "a2", "a3", "b1", "b2", "b3", "b4"];

/**
 * Programs are dropped where everybody may write and run from there. Each has content of its own, and another on each endpoint:
 * what has the same content anywhere is one incident. It is written at once: a file that is a copy of a system's program even for
 * a moment may be met as that.
 */
const intrusion = (endpoint: string): string => `
for name in ${PROGRAMS.join(" ")}; do
  { cat /bin/sleep; echo $name ${endpoint}; } > /tmp/.$name; chmod +x /tmp/.$name
done
for name in b1 b2 b3 b4; do /tmp/.$name 900 & done
wait
`;

interface Row {
  id: string;
  number: number;
  title: string;
}

/** Lets it happen; the incident that comes of it. */
async function intrude(stage: Stage, endpoint: string): Promise<Row> {
  const file = "/root/x.sh";
  await stage.sh(
    endpoint,
    `cat > ${file} <<'END'\n${intrusion(endpoint)}\nEND\nsetsid sh ${file} </dev/null >/dev/null 2>&1 &`,
  );
  const found = async (): Promise<Row | undefined> =>
    (await stage.api<{ items: Row[] }>("GET", `/incidents?endpoint=${endpoint}&state=open`)).items[0];
  await expect.poll(found, { timeout: 30_000 }).toBeDefined();
  const incident = await found();
  if (incident === undefined) throw new Error("no incident came");
  // The chain goes on until all of them run.
  const starts = async (): Promise<number> =>
    (
      await stage.api<{ items: { summary: string }[] }>(
        "GET",
        `/incidents/${String(incident.number)}/activity?kind=start&limit=500`,
      )
    ).items.filter(({ summary }) => /\/tmp\/\.b\d 900/.test(summary)).length;
  await expect.poll(starts, { timeout: 30_000 }).toBe(4);
  return incident;
}

/** Confirms in the dialog, with the password where that is asked for. */
async function confirm(page: Page, stage: Stage, endpoint: string): Promise<void> {
  const dialog = page.getByRole("dialog", { name: /^Respond from incident/ });
  await dialog.getByLabel("Reason").fill(REASON);
  await expect(dialog.getByTestId("blast")).toContainText("It hits 1 endpoint");
  await expect(dialog.getByTestId("send")).not.toHaveAttribute("aria-disabled", "true");
  const typed = dialog.getByLabel(/^To confirm, type/);
  if (await typed.isVisible()) await typed.fill(endpoint);
  await dialog.getByTestId("send").click();
  const sure = page.getByRole("dialog", { name: "Confirm that it is you" });
  await expect(sure.or(page.getByText("It stands under Response actions.").last())).toBeVisible();
  if (await sure.isVisible()) {
    await sure.getByLabel("Your password").fill(stage.person("maria").password);
    await sure.getByRole("button", { name: "Confirm", exact: true }).click();
  }
  await expect(dialog).toBeHidden();
}

/** Waits until the newest task of the incident has ended well. */
async function succeeded(stage: Stage, incident: Row, action: string): Promise<void> {
  const state = async (): Promise<string> => {
    const path = `/tasks?incident=${incident.id}&action=${action}&limit=1`;
    const [task] = (await stage.api<{ items: { state: string }[] }>("GET", path)).items;
    return task?.state ?? "none";
  };
  await expect.poll(state, { timeout: 40_000 }).toBe("succeeded");
}

const CASES = [
  {
    kind: "file_create",
    event: "a1",
    deed: "Prevent Run",
    action: "file.prevent_run",
    holds: "! /tmp/.a1 0",
  },
  {
    kind: "file_create",
    event: "a2",
    deed: "Move to Quarantine",
    action: "file.quarantine",
    holds: "! test -e /tmp/.a2",
  },
  {
    kind: "file_create",
    event: "a3",
    deed: "Delete File",
    action: "file.delete",
    holds: "! test -e /tmp/.a3",
  },
  { kind: "start", event: ".b1 900", deed: "Prevent Run", action: "file.prevent_run", holds: "! /tmp/.b1 0" },
  {
    kind: "start",
    event: ".b2 900",
    deed: "Terminate Process",
    action: "process.terminate",
    holds: "! pgrep -f '^/tmp/.b2 900'",
  },
  {
    kind: "start",
    event: ".b3 900",
    deed: "Move to Quarantine",
    action: "file.quarantine",
    holds: "! test -e /tmp/.b3",
  },
  { kind: "start", event: ".b4 900", deed: "Delete File", action: "file.delete", holds: "! test -e /tmp/.b4" },
] as const;

test("each response action of each kind of event does what it says", async ({ page, stage }) => {
  await signIn(page, stage, "maria");
  await page.goto("/");
  await settled(page);
  const open = page.getByRole("region", { name: "Incidents that are open" });
  await expect(open).toContainText("Nothing that was detected is open");
  const incident = await intrude(stage, "web-1");
  // It comes by itself: to the overview, and to the list.
  const link = new RegExp(`#${String(incident.number)} `);
  await expect(open.getByRole("link", { name: link })).toBeVisible();
  await expect(open.getByRole("navigation").getByRole("link", { name: /^1 \w+$/ })).toBeVisible();
  await open.getByRole("link", { name: "All of them" }).click();
  await expect(page).toHaveURL(/\/incidents\?state=open,in_progress/);
  await expect(page.getByRole("link", { name: link })).toBeVisible();
  for (const { kind, event, deed, action, holds } of CASES) {
    await test.step(`${deed} on ${kind}`, async () => {
      const details = page.getByTestId("details");
      if (kind === "start") {
        // From the tree: the process is found, and what is offered for its start stands with it.
        await page.goto(`/incidents/${String(incident.number)}`);
        await settled(page);
        await page.getByLabel("Find a process").fill(event);
        await page.getByLabel("Find a process").press("Enter");
        await expect(details.getByRole("heading", { level: 2 })).toContainText(event.slice(0, 3));
      } else {
        await page.goto(`/incidents/${String(incident.number)}?tab=activity&kind=${kind}`);
        await settled(page);
        await page.getByRole("link", { name: new RegExp(`created /tmp/.${event}`) }).click();
      }
      await details.getByRole("button", { name: deed, exact: true }).click();
      await confirm(page, stage, "web-1");
      await succeeded(stage, incident, action);
      await stage.sh("web-1", holds);
      if (kind !== "start") await expect(details).toContainText("succeeded");
    });
  }
  await page.getByRole("tab", { name: /Response actions/ }).click();
  await expect(page.getByRole("table", { name: "Response actions" }).getByRole("row")).toHaveCount(CASES.length + 1);
  await page.goto("/events?tab=actions");
  await expect(page.getByRole("table", { name: "Response actions" }).getByRole("row")).toHaveCount(CASES.length + 1);
});

test("the device is isolated and a process started from the menu of the event", async ({ page, stage }) => {
  const [incident] = (await stage.api<{ items: Row[] }>("GET", "/incidents?endpoint=web-1")).items;
  if (incident === undefined) throw new Error("the intrusion did not come");
  await signIn(page, stage, "maria");
  await page.goto("/events?endpoint=&origin=endpoint");
  await settled(page);
  await page.getByRole("table", { name: "Events" }).getByRole("link").first().click();
  const menu = page.getByTestId("details").getByRole("button", { name: "Threat response" });
  await menu.click();
  await page.getByRole("menuitem", { name: "Start Process" }).click();
  const dialog = page.getByRole("dialog", { name: /^Respond from incident/ });
  await dialog.getByRole("textbox", { name: "Path", exact: true }).fill("/usr/bin/touch");
  await dialog.getByRole("textbox", { name: "Arguments" }).fill("/tmp/started-by-the-console");
  await confirm(page, stage, "web-1");
  await succeeded(stage, incident, "process.start");
  await stage.sh("web-1", "test -e /tmp/started-by-the-console");

  expect(await stage.reach("web-1")).toBe(true);
  await menu.click();
  await page.getByRole("menuitem", { name: "Isolate Endpoint" }).click();
  await confirm(page, stage, "web-1");
  await succeeded(stage, incident, "endpoint.isolate");
  expect(await stage.reach("web-1")).toBe(false);
  await page.goto(`/incidents/${String(incident.number)}`);
  await expect(page.getByRole("region", { name: "How it stands" })).toContainText("isolated");
});

test("the chain is cut in one plan, and all of it undone in one", async ({ page, stage }) => {
  const incident = await intrude(stage, "db-1");
  await signIn(page, stage, "maria");
  await page.goto(`/incidents/${String(incident.number)}`);
  await settled(page);
  await page.getByRole("button", { name: "Cut the chain" }).click();
  const steps = page.getByRole("list", { name: "Steps, in their order" }).getByRole("listitem");
  await expect(steps.first()).toContainText("Isolate Endpoint");
  await page.getByLabel("Reason").fill(REASON);
  await page.getByRole("button", { name: /^Cut the chain: / }).click();
  const sure = page.getByRole("dialog", { name: /^Cut the chain/ });
  const size = await sure.getByRole("listitem").count();
  await sure.getByLabel(/^Type/).fill(String(size));
  await sure.getByRole("button", { name: /^Do / }).click();
  const proof = page.getByRole("dialog", { name: "Confirm that it is you" });
  await expect(proof.or(page.getByRole("heading", { name: /^Response plan/ }))).toBeVisible();
  if (await proof.isVisible()) {
    await proof.getByLabel("Your password").fill(stage.person("maria").password);
    await proof.getByRole("button", { name: "Confirm", exact: true }).click();
  }
  await expect(page.getByRole("heading", { name: /^Response plan/ })).toBeVisible();
  const stands = page.getByRole("region", { name: "How it stands" });
  await expect(stands).toContainText(/steps succeeded/, { timeout: 90_000 });
  expect(await stage.reach("db-1")).toBe(false);
  await stage.sh("db-1", "! pgrep -f '^/tmp/.b. 900'");

  await page.getByRole("button", { name: "Undo everything" }).click();
  const undo = page.getByRole("dialog", { name: "Undo everything" });
  await undo.getByLabel("Reason").fill("an exercise");
  await undo.getByRole("button", { name: /^Undo \d+ step/ }).click();
  await expect(page.getByRole("heading", { name: /^Undo of a response plan/ })).toBeVisible();
  await expect(stands).toContainText(/steps succeeded/, { timeout: 90_000 });
  expect(await stage.reach("db-1")).toBe(true);
});
