// Leaves a Brotli and a gzip form next to each built file where it is smaller, so that the server never compresses.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const root = new URL("../dist/", import.meta.url).pathname;
for (const name of readdirSync(root, { recursive: true, withFileTypes: true })) {
  if (!name.isFile() || !/\.(html|js|css|svg|json|txt)$/.test(name.name)) continue;
  const path = join(name.parentPath, name.name);
  // Its nonce is filled in at each answer.
  if (name.name === "index.html") continue;
  const bytes = readFileSync(path);
  const forms = {
    br: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
    gz: gzipSync(bytes, { level: 9 }),
  };
  for (const [end, packed] of Object.entries(forms)) {
    if (packed.length < bytes.length * 0.9) writeFileSync(`${path}.${end}`, packed);
  }
}
