import { expect, test } from "vitest";

import { device } from "./device";

test("browsers are told by name and system", () => {
  expect(device("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")).toBe("Firefox on Linux");
  expect(
    device(
      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0",
    ),
  ).toBe("Edge on Windows");
  expect(
    device(
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
    ),
  ).toBe("Safari on iOS");
});

test("what is not known stays as it says itself", () => {
  expect(device("quell/0.1.0")).toBe("quell, the command line");
  expect(device("curl/8.5 Chrome/1")).toBe("curl/8.5 Chrome/1");
  expect(device("")).toBe("unknown program");
});
