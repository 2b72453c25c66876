import { beforeEach, expect, test } from "vitest";

import { forget, know, look, meant } from "./page";
import { ApiError } from "./problem";

beforeEach(forget);

test("requests carry the tenant that the page was drawn for", () => {
  expect(meant()).toEqual({});
  know({ person: "p", tenant: "t" });
  know({ person: "p", tenant: "t" });
  expect(meant()).toEqual({ "Quell-Tenant": "t" });
});

test("nothing is sent once the session stands for another", () => {
  for (const other of [
    { person: "p", tenant: "u" },
    { person: "q", tenant: "t" },
  ]) {
    forget();
    know({ person: "p", tenant: "t" });
    know(other);
    expect(meant).toThrow("nothing was sent");
  }
});

test("the server's word is enough", () => {
  know({ person: "p", tenant: "t" });
  const problem = { type: "", status: 409, title: "", detail: "", hint: "", request_id: "" };
  look(new ApiError({ ...problem, code: "conflict" }));
  expect(meant()).toEqual({ "Quell-Tenant": "t" });
  look(new ApiError({ ...problem, code: "tenant_changed" }));
  expect(meant).toThrow("nothing was sent");
});
