import { describe, expect, it } from "vitest";

import { paramsOf } from "./params";

const SCHEMA = {
  properties: {
    pid: { type: ["integer", "null"], description: "Process id; needs `start_time`. More words." },
    grace_seconds: { type: "integer", default: 0, description: "Seconds to wait." },
    script: { type: "string", "x-quell-reference": "script" },
  },
};

describe("parameters", () => {
  it("follow the schema, and set apart what nobody chose", () => {
    const params = paramsOf({ extra: ["a", "b"], grace_seconds: 0, script: "triage", pid: null }, SCHEMA);
    expect(params.map((param) => [param.name, param.value, param.isDefault])).toEqual([
      ["Pid", "–", true],
      ["Grace seconds", "0", true],
      ["Script", "triage", false],
      ["Extra", "a\nb", false],
    ]);
    expect(params[0]?.about).toBe("Process id; needs `start_time`.");
    expect(params[2]?.isScript).toBe(true);
  });

  it("hold without a schema, and without parameters", () => {
    expect(paramsOf(null, undefined)).toEqual([]);
    expect(paramsOf({ deep: { a: 1 } }, undefined)[0]?.value).toContain('"a": 1');
  });
});
