/// How changes are put together.

import { describe, expect, it } from "vitest";

import type { Schemas } from "../../api/client";
import { group, reference } from "./incident";

const task = (reason: string) => ({ reason }) as Schemas["Task"];

describe("incident", () => {
  it("finds a tracker's reference", () => {
    expect(reference("Beacon seen, INC-2041")).toBe("INC-2041");
    expect(reference("SOC2-77: look")).toBe("SOC2-77");
    expect(reference("web-1 and db-2 at 10-12")).toBeUndefined();
  });

  it("groups by it, else by the reason", () => {
    const groups = group([task("a INC-1"), task("try it"), task("INC-1 b"), task("try it ")]);
    expect(groups.map(({ title, tasks }) => [title, tasks.length])).toEqual([
      ["INC-1", 2],
      ["try it", 2],
    ]);
  });
});
