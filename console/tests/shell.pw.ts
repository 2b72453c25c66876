/// The remote shell in the console: opened as any action is, typed into, seen and ended by another person, found again.

import { ask } from "./act";
import { accessible } from "./axe";
import { settled } from "./screens";
import { another, expect, idOf, signIn, test } from "./stage";

import type { Page } from "@playwright/test";

test.use({ alone: "shell" });
test.describe.configure({ timeout: 180_000 });

/** What stands in the terminal. */
async function shown(page: Page): Promise<string> {
  const rows = await page.locator(".xterm-rows > div").allTextContents();
  return rows
    .map((row) => row.replaceAll("\u00a0", " ").trimEnd())
    .join("\n")
    .trimEnd();
}

async function shows(page: Page, what: string | RegExp): Promise<void> {
  await expect.poll(() => shown(page), { timeout: 20_000 }).toMatch(what);
}

async function type(page: Page, text: string): Promise<void> {
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type(text);
}

/** Sockets of the page that can be cut. */
async function cuttable(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const Plain = window.WebSocket;
    const all: WebSocket[] = [];
    window.WebSocket = class extends Plain {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        all.push(this);
      }
    };
    (window as unknown as { cut: () => number }).cut = () => {
      const open = all.filter((socket) => socket.readyState === Plain.OPEN);
      for (const socket of open) socket.close();
      return open.length;
    };
  });
}

const cut = (page: Page): Promise<number> => page.evaluate(() => (window as unknown as { cut: () => number }).cut());

test("a shell is opened, used over a break, seen and ended by another, and found again", async ({
  page,
  browser,
  stage,
}) => {
  await signIn(page, stage, "maria");
  await cuttable(page);
  await page.goto("/shells");
  await settled(page);
  await accessible(page, "an empty list of shells");

  await ask(
    page,
    { action: "Remote Shell", endpoint: "web-1", reason: "INC-7: look at the queue" },
    /\/shells\/[0-9a-f-]{36}/,
  );
  const id = idOf(page.url());
  await shows(page, /[#$]$/);
  await expect(page.getByText("Connected")).toBeVisible();

  // What is typed comes back, and the terminal is as large as it looks.
  await type(page, "PS1='> '; clear; echo one''two\n");
  await shows(page, "onetwo");
  const before = await shown(page);
  await type(page, "stty size\n");
  await shows(page, /\d+ \d+\n>$/);
  const [, rows, cols] = /(\d+) (\d+)\n>$/.exec(await shown(page)) ?? [];
  expect(Number(rows)).toBeGreaterThan(10);
  await page.setViewportSize({ width: 900, height: 800 });
  await expect
    .poll(async () => {
      await type(page, "clear; stty size\n");
      await shows(page, /^\d+ \d+\n>$/);
      const [, , now] = /(\d+) (\d+)/.exec(await shown(page)) ?? [];
      return now !== undefined && Number(now) < Number(cols);
    })
    .toBe(true);
  await page.setViewportSize({ width: 1440, height: 900 });
  expect(before).toContain("onetwo");

  // Nothing is lost or doubled by a break, in either direction.
  await type(page, "clear; for n in $(seq 1 30); do echo -n $n,; sleep 0.05; done; echo fin''ished\n");
  await shows(page, "3,");
  expect(await cut(page)).toBe(1);
  await type(page, "echo la''ter\n");
  await shows(page, "later");
  const numbers = Array.from({ length: 30 }, (_, index) => `${String(index + 1)},`).join("");
  // What is typed ahead is echoed where the writing stood.
  expect((await shown(page)).replace("echo la''ter", "").replaceAll("\n", "")).toContain(`${numbers}finished`);
  expect((await shown(page)).match(/later/g)).toHaveLength(1);

  // Several lines are asked about; Escape stays in the terminal, and another key leaves it.
  await page.locator(".xterm-helper-textarea").evaluate((element) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", "echo pasted-1\necho pasted-2\n");
    element.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  });
  const pasting = page.getByRole("dialog", { name: "Paste 2 lines?" });
  await expect(pasting).toContainText("echo pasted-2");
  await accessible(page, "before a paste");
  await pasting.getByRole("button", { name: "Cancel" }).click();
  await expect(pasting).toBeHidden();
  expect(await shown(page)).not.toContain("pasted");
  // The terminal is where one was, a moment later.
  await expect(page.locator(".xterm-helper-textarea")).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(page.locator(".xterm-helper-textarea")).toBeFocused();
  await page.keyboard.press("Control+c");
  await page.keyboard.press("Control+Shift+L");
  await expect(page.getByRole("button", { name: "Search", exact: true })).toBeFocused();

  // What an endpoint writes can only be seen.
  await type(
    page,
    String.raw`printf '\033]0;owned\007\033]52;c;b3duZWQ=\007\033]8;;https://evil.example\007li''nk\033]8;;\007 \033[38;2;255;255;254mpale\033[0m\n'` +
      "\n",
  );
  await shows(page, /\nlink pale/);
  await expect(page).toHaveTitle(/Shell on web-1/);
  const pale = page.locator(".xterm-rows span", { hasText: /^ ?pale$/ }).last();
  expect(await pale.evaluate((element) => getComputedStyle(element).color)).toMatch(/^rgb\(1?\d?\d, /);

  // A password is typed where nothing is echoed.
  await type(page, "clear; stty -echo; echo Pass''word:; read secret; stty echo; echo re''ad\n");
  await shows(page, "Password:");
  await type(page, "correct-horse\n");
  await shows(page, /read\n>$/);
  await accessible(page, "an open shell");

  // The agent answers beside the terminal, and takes a file.
  await page.getByRole("button", { name: "Ask the agent…" }).click();
  const agent = page.getByRole("dialog", { name: "Ask the agent" });
  await agent.getByLabel("Verb and its arguments").fill("ls /etc");
  await agent.getByRole("button", { name: "Ask", exact: true }).click();
  await expect(agent.getByRole("row").filter({ hasText: "hostname" })).toBeVisible();
  await accessible(page, "an answer of the agent");
  await agent.locator("input[type=file]").setInputFiles({
    name: "note.txt",
    mimeType: "text/plain",
    buffer: Buffer.from([0, 255, 10]),
  });
  await agent.getByLabel("Verb and its arguments").fill("put '/root/a note'");
  await agent.getByRole("button", { name: "Ask", exact: true }).click();
  await expect.poll(() => stage.sh("web-1", "od -An -tu1 '/root/a note' 2>/dev/null; true")).toBe("   0 255  10\n");
  await agent.getByLabel("Verb and its arguments").fill("hash /nowhere");
  await agent.getByRole("button", { name: "Ask", exact: true }).click();
  await expect(agent.getByRole("status", { name: "Answer" })).toContainText(/no such file/i);
  await page.keyboard.press("Escape");

  // Somebody else looks on, types nothing, and ends it.
  const ana = await another(browser, stage, "ana");
  await ana.goto("/shells?state=open");
  await ana.getByRole("row").filter({ hasText: "web-1" }).getByRole("link").first().click();
  await shows(ana, "Password:");
  await expect(ana.getByText("you look on")).toBeVisible();
  await type(ana, "echo mine\n");
  await type(page, "echo bo''th\n");
  await shows(ana, "both");
  expect(await shown(ana)).not.toContain("mine");
  await expect(page.getByText(/looks on/)).toBeVisible();
  await ana.getByRole("button", { name: "End…" }).click();
  await ana.getByRole("dialog").getByRole("button", { name: "End it" }).click();
  await expect(page.getByText(/person, .*by Ana/)).toBeVisible();
  await ana.context().close();

  // The recording: what was typed, without what was hidden; a hit leads to its moment.
  await page.getByRole("button", { name: "Look at the recording" }).click();
  const moments = page.getByRole("region", { name: "In this recording" });
  await expect(moments.getByRole("button").filter({ hasText: "stty size" }).first()).toBeVisible();
  await expect(moments).toContainText("***");
  await expect(moments).not.toContainText("correct-horse");
  await moments.getByLabel("Search the recording").fill("finished");
  const hit = moments.getByRole("list", { name: "Found" }).getByRole("button").first();
  await expect(hit).toContainText("finished");
  await hit.click();
  await shows(page, "finished");
  await moments.getByLabel("Search the recording").fill("correct-horse");
  await expect(moments).toContainText("Nothing is like that");
  await page.getByRole("button", { name: "To the beginning" }).click();
  await page.getByText("16×").click();
  await page.getByRole("button", { name: "Play", exact: true }).click();
  await shows(page, "both");
  await expect(page.getByRole("button", { name: "Play", exact: true })).toBeVisible();
  await accessible(page, "the recording of a shell");

  await page.goto("/shells");
  await settled(page);
  await expect(page.getByRole("row").filter({ hasText: "web-1" }).first()).toContainText("person");
  await page.getByLabel("Look for a text in recordings").fill("FINISHED");
  await page.getByRole("button", { name: "Look", exact: true }).click();
  const found = page.getByRole("region", { name: "Found in recordings" });
  await expect(found).toContainText("1 shell has it");
  await accessible(page, "a list of shells, with what was found in them");
  await found
    .getByRole("link", { name: /finished$/ })
    .first()
    .click();
  await expect(page).toHaveURL(new RegExp(`/shells/${id}\\?.*at=`));
  await shows(page, "finished");
});
