/// What is confirmed is what is sent.

import { describe, expect, it } from "vitest";

import { confirmed, type Known } from "./confirmed";

const known: Known = {
  action: (id) => (id === "file.collect" ? { title: "Collect File", secrets: ["token"] } : undefined),
  endpoint: (id) => (id === "a" ? "web-1" : undefined),
};

function task(body: unknown) {
  return confirmed({ method: "POST", path: "/api/v1/tasks", body: JSON.stringify(body) }, known);
}

describe("a task", () => {
  it("is told by its action, its targets and its parameters", () => {
    const params = { path: "/tmp/a\u202eb", token: "secret", c: 1, d: true, e: [], f: null };
    expect(task({ action: "file.collect", targets: { endpoints: ["a", "b"] }, params })).toEqual({
      deed: "Collect File",
      targets: ["web-1", "b"],
      params: [
        ["path", "/tmp/a⟨202E⟩b"],
        ["token", "not shown"],
        ["c", "1"],
        ["d", "true"],
        ["and", "2 other parameters"],
      ],
    });
  });

  it("of an unknown action shows its id, and no parameter that could be secret", () => {
    expect(task({ action: "x.y", targets: { all: true }, params: { p: "s" } })).toEqual({
      deed: "x.y",
      targets: [],
      scope: "every active endpoint",
      params: [["p", "not shown"]],
    });
    expect(task({ action: "x.y", targets: { tags: ["hr", "it"] } }).scope).toBe(
      "every active endpoint with the tag “hr” or “it”",
    );
  });
});

describe("anything else", () => {
  it("is told by method and path, never by its body", () => {
    for (const [method, path, body] of [
      ["PUT", "/api/v1/approval-policy", `{"secret":"x"}`],
      ["POST", "/api/v1/tasks", "no JSON"],
      ["POST", "/api/v1/tasks", "[1]"],
    ] as const)
      expect(confirmed({ method, path, body }, known)).toEqual({ deed: `${method} ${path}`, targets: [], params: [] });
  });
});

describe("a response from an incident", () => {
  const path = "/api/v1/incidents/17/respond";
  it("is told by its action, and by what the incident names where no endpoint is", () => {
    const body = JSON.stringify({ action: "file.collect", chain: "c", activity: 7, reason: "r" });
    expect(confirmed({ method: "POST", path, body }, known)).toEqual({
      deed: "Collect File",
      targets: [],
      scope: "what the incident names",
      params: [],
    });
    const on = JSON.stringify({ action: "file.collect", endpoint: "a", params: { path: "/x" }, reason: "r" });
    expect(confirmed({ method: "POST", path, body: on }, known)).toEqual({
      deed: "Collect File",
      targets: ["web-1"],
      params: [["path", "/x"]],
    });
  });

  it("as a plan is told by its steps", () => {
    const body = JSON.stringify({ digest: "d", steps: [1, 3], reason: "r" });
    expect(confirmed({ method: "POST", path: "/api/v1/incidents/17/cut", body }, known)).toEqual({
      deed: "Cut the chain: 2 steps",
      targets: [],
      params: [["steps", "1, 3"]],
    });
  });
});
