/// What people type, and what it means.

import { describe, expect, it } from "vitest";

import { fieldsOf } from "../form/fields";
import { meanings, paramsFor, settled, split } from "./palette-meaning";

const actions = [
  { id: "endpoint.isolate", title: "Isolate Endpoint" },
  { id: "endpoint.restore", title: "Restore Connection" },
  { id: "endpoint.run_script", title: "Run Remote Custom Script" },
  { id: "file.collect", title: "Collect File" },
  { id: "process.terminate", title: "Terminate Process" },
];
const none = fieldsOf({ properties: { canaries: { type: "array", items: { type: "string" }, default: [] } } });
const script = fieldsOf({
  properties: { script: { type: "string", "x-quell-reference": "script" }, arguments: { type: "array" } },
  required: ["script"],
});
const file = fieldsOf({ properties: { path: { type: ["string", "null"] }, pid: { type: ["integer", "null"] } } });
const process = fieldsOf({
  properties: {
    path: { type: ["string", "null"] },
    pid: { type: ["integer", "null"] },
    sha256: { type: ["string", "null"] },
  },
});

function first(text: string) {
  const [best] = meanings(text, actions);
  return best && { action: best.action, what: best.what, targets: best.targets };
}

describe("verbs", () => {
  it("lead to their action, whole or begun", () => {
    expect(first("isolate web-1")).toEqual({ action: "endpoint.isolate", what: "web-1", targets: [] });
    expect(first("iso web-1")?.action).toBe("endpoint.isolate");
    expect(first("endpoint.isolate web-1")?.action).toBe("endpoint.isolate");
    expect(first("RESTORE db")?.action).toBe("endpoint.restore");
    expect(first("kill 812 on db-1")).toEqual({ action: "process.terminate", what: "812", targets: ["db-1"] });
    expect(first("unisolate db-1")?.action).toBe("endpoint.restore");
  });

  it("are not guessed from names", () => {
    expect(meanings("web-1", actions)).toEqual([]);
    expect(meanings("i", actions)).toEqual([]);
    expect(meanings("", actions)).toEqual([]);
    expect(meanings("script", actions)).toEqual([]);
  });

  it("stand before what is said of how and on what", () => {
    expect(first("collect /var/log/auth.log from web-1")).toEqual({
      action: "file.collect",
      what: "/var/log/auth.log",
      targets: ["web-1"],
    });
    expect(first("run triage on hr-laptop")).toEqual({
      action: "endpoint.run_script",
      what: "triage",
      targets: ["hr-laptop"],
    });
    expect(first("run script triage on hr-laptop, db-1 and web-1")?.targets).toEqual(["hr-laptop", "db-1", "web-1"]);
    expect(first('collect "/srv/a b/on c" from web-1')).toMatchObject({ what: "/srv/a b/on c", targets: ["web-1"] });
    expect(first("isolate endpoint web-1")?.what).toBe("web-1");
    expect(first("isolate endpoint")?.what).toBe("");
    expect(first("run remote custom script")?.what).toBe("");
  });
});

describe("with the parameters known", () => {
  const of = (text: string, fields: typeof none) => {
    const [best] = meanings(text, actions);
    return best && settled(best, fields);
  };

  it("words without a parameter are targets", () => {
    expect(of("isolate web-1 db-1", none)).toEqual({ params: {}, targets: ["web-1", "db-1"] });
    expect(of("isolate web-1, db-1", none)).toEqual({ params: {}, targets: ["web-1", "db-1"] });
    expect(of("restore the db-1", none)).toEqual({ params: {}, targets: ["db-1"] });
  });

  it("the first is the parameter where there is one", () => {
    expect(of("run triage", script)).toEqual({ params: { script: "triage" }, targets: [] });
    expect(of("run triage hr-laptop", script)).toEqual({ params: { script: "triage" }, targets: ["hr-laptop"] });
    expect(of("collect /etc/passwd web-1", file)).toEqual({ params: { path: "/etc/passwd" }, targets: ["web-1"] });
    expect(of("collect web-1", file)).toEqual({ params: {}, targets: ["web-1"] });
    expect(of("run triage on a b", script)).toEqual({ params: { script: "triage" }, targets: ["a", "b"] });
  });

  it("a value finds its parameter by its form", () => {
    const digest = "A".repeat(64);
    expect(paramsFor(process, digest)).toEqual({ sha256: "a".repeat(64) });
    expect(paramsFor(process, "812")).toEqual({ pid: 812 });
    expect(paramsFor(process, "C:\\a.exe")).toEqual({ path: "C:\\a.exe" });
    expect(paramsFor(process, "sshd")).toBeUndefined();
    expect(paramsFor(file, "a".repeat(64))).toBeUndefined();
    expect(paramsFor(script, "triage@2")).toEqual({ script: "triage@2" });
  });
});

describe("words", () => {
  it("may be quoted, and a quotation may be open", () => {
    expect(split('a "b c" d')).toEqual(["a", "b c", "d"]);
    expect(split('a "b c')).toEqual(["a", "b c"]);
    expect(split("  ")).toEqual([]);
  });
});
