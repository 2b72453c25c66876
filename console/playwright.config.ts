/// Tests in a real browser, against the real server with endpoints made on this machine.
import { existsSync } from "node:fs";

import { defineConfig } from "@playwright/test";

import type { Options } from "./tests/stage";

const browsers = [
  process.env["QUELL_CHROMIUM"] ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
];

export default defineConfig<object, Options>({
  testDir: "tests",
  testMatch: "**/*.pw.ts",
  // A stage is a server and four endpoints: one at a time is what a small machine can hold.
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  forbidOnly: process.env["CI"] !== undefined,
  reporter: "list",
  use: {
    viewport: { width: 1440, height: 900 },
    locale: "en-GB",
    timezoneId: "Europe/Lisbon",
    screenshot: "only-on-failure",
    actionTimeout: 15_000,
    launchOptions: {
      executablePath: browsers.find((path) => existsSync(path)) ?? "chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
      ],
    },
  },
});
