// Fails where src/api/schema.d.ts is not what openapi/v1.json gives now.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "quell-console-"));
try {
  const fresh = join(folder, "schema.d.ts");
  const tool = new URL("../node_modules/.bin/openapi-typescript", import.meta.url).pathname;
  const document = new URL("../../openapi/v1.json", import.meta.url).pathname;
  execFileSync(tool, [document, "--output", fresh], { stdio: "ignore" });
  const kept = readFileSync(new URL("../src/api/schema.d.ts", import.meta.url), "utf8");
  if (readFileSync(fresh, "utf8") !== kept) {
    console.error("src/api/schema.d.ts is not what openapi/v1.json gives: npm run gen");
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
