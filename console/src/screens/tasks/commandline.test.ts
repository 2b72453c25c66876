/// Commands that a person can paste.

import { describe, expect, it } from "vitest";

import { asCli, asCurl, givenParams, quoted } from "./commandline";

const task = { action: "endpoint.run_script", reason: "it's <odd> $HOME" };

describe("commandline", () => {
  it("quotes what a shell would read", () => {
    expect(quoted("web-1")).toBe("web-1");
    expect(quoted("a b")).toBe("'a b'");
    expect(quoted("it's $(id)")).toBe("'it'\\''s $(id)'");
    expect(quoted("")).toBe("''");
  });

  it("names what was given", () => {
    const schema = { properties: { grace_seconds: { default: 0 }, allow: { default: [] } } };
    expect(givenParams(schema, { grace_seconds: 0, allow: [], path: "/x", arguments: "***", none: null })).toEqual({
      path: "/x",
    });
  });

  it("writes a line for quell", () => {
    const params = {
      script: "triage@1",
      arguments: ["a b", "c"],
      allow: [{ network: "10.0.0.0/8", port: 22 }],
      fast: true,
    };
    expect(asCli({ task, endpoints: ["web-1"], params })).toBe(
      "quell act endpoint run-script --endpoint web-1 --script triage@1 --arguments 'a b' --arguments c " +
        "--allow network=10.0.0.0/8,port=22 --fast --reason 'it'\\''s <odd> $HOME' --wait",
    );
  });

  it("writes a line for curl, whose body is one word", () => {
    const line = asCurl({ task, endpoints: ["web-1"], params: {} }, "https://quell.example");
    expect(line).toContain("--data '{");
    expect(line).toContain("it'\\''s <odd> $HOME");
  });
});
