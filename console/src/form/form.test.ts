/// Every action of the catalogue can be asked for by its form.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

import { fieldOf, fieldsOf, type Field } from "./fields";
import { inSentence, labelOf, same, type Json, type Schema } from "./schema";
import { paramsOf, problemsOf, valuesOf, type Values } from "./values";

type Document = {
  components: { schemas: Record<string, Schema> };
  "x-quell-actions": Record<string, { params: { $ref: string } }>;
};

const document = JSON.parse(readFileSync(new URL("../../../openapi/v1.json", import.meta.url), "utf8")) as Document;
const actions = Object.entries(document["x-quell-actions"]).map(([id, { params }]): [string, Schema] => [
  id,
  document.components.schemas[params.$ref.split("/").at(-1) ?? ""] ?? {},
]);
const schemaOf = (id: string): Schema => actions.find(([each]) => each === id)?.[1] ?? {};
const field = (id: string, name: string): Field => {
  const found = fieldsOf(schemaOf(id)).find((each) => each.name === name);
  if (found === undefined) throw new Error(`${id} has no field ${name}`);
  return found;
};

describe.each(actions)("%s", (_, schema) => {
  const fields = fieldsOf(schema);

  it("has a field for every parameter, none of them raw JSON", () => {
    expect(fields.map((each) => each.name).sort()).toEqual(Object.keys(schema.properties ?? {}).sort());
    expect(fields.filter((each) => each.kind === "json")).toEqual([]);
  });

  it("has a label and help for each", () => {
    for (const each of fields) {
      expect(each.label).toMatch(/^[A-Z]/);
      expect(each.help).toBeTruthy();
    }
  });

  it("sends nothing when nothing was typed", () => {
    expect(paramsOf(fields, valuesOf(fields))).toEqual({});
  });

  it("asks for what is required, and for nothing else", () => {
    expect([...problemsOf(fields, valuesOf(fields)).keys()].sort()).toEqual([...(schema.required ?? [])].sort());
  });
});

describe("parameters", () => {
  it("come back as they went in", () => {
    const cases: [string, Record<string, Json>][] = [
      [
        "endpoint.isolate",
        {
          allow: [{ network: "192.0.2.0/24" }, { network: "2001:db8::/48", port: 443, protocol: "tcp" }],
          canaries: ["192.0.2.7:443"],
          release_after_channel_loss_minutes: 30,
        },
      ],
      ["endpoint.run_script", { script: "triage@2", arguments: ["a b", "--x"], success_exit_codes: [0, 3] }],
      ["file.collect", { path: "/var/log/auth.log", follow_links: true, max_bytes: 5 }],
      ["process.terminate", { pid: 812, start_time: 12345, descendants: true }],
    ];
    for (const [id, params] of cases) {
      const fields = fieldsOf(schemaOf(id));
      expect(paramsOf(fields, valuesOf(fields, params))).toEqual(params);
      expect(problemsOf(fields, valuesOf(fields, params)).size).toBe(0);
    }
  });

  it("that are as by default are not sent, nor those that were cleared", () => {
    const fields = fieldsOf(schemaOf("endpoint.run_script"));
    const values: Values = { ...valuesOf(fields, { script: "triage" }), time_limit_seconds: 300 };
    expect(paramsOf(fields, values)).toEqual({ script: "triage" });
    expect(paramsOf(fields, { ...values, time_limit_seconds: "" })).toEqual({ script: "triage" });
    expect(paramsOf(fields, { ...values, time_limit_seconds: 60 })).toEqual({
      script: "triage",
      time_limit_seconds: 60,
    });
  });

  it("are named where they are wrong, by the path that the server uses", () => {
    const fields = fieldsOf(schemaOf("endpoint.isolate"));
    const values = valuesOf(fields, { allow: [{ network: "192.0.2.0/24", port: 70000 }, {}] });
    expect(Object.fromEntries(problemsOf(fields, values))).toEqual({
      "allow[0].port": "At most 65,535.",
      "allow[1].network": "This is needed.",
    });
    const script = fieldsOf(schemaOf("endpoint.run_script"));
    const typed: Values = { ...valuesOf(script, { script: "x" }), success_exit_codes: "0\nzero\n1.5" };
    expect([...problemsOf(script, typed).keys()]).toEqual(["success_exit_codes[1]", "success_exit_codes[2]"]);
    expect(problemsOf(script, { ...typed, success_exit_codes: "" }).get("success_exit_codes")).toBe(
      "At least one is needed.",
    );
  });
});

describe("fields", () => {
  it("fold what has a value of its own", () => {
    expect(field("file.collect", "path").isFolded).toBe(false);
    expect(field("file.collect", "max_bytes").isFolded).toBe(true);
    expect(field("endpoint.run_script", "script").isFolded).toBe(false);
    expect(field("endpoint.isolate", "allow").isFolded).toBe(true);
  });

  it("know choices, references, numbers and lists", () => {
    expect(field("endpoint.run_script", "interpreter")).toMatchObject({
      kind: "choice",
      options: [{ value: "bash", help: "GNU Bash." }, { value: "sh" }, { value: "python" }, { value: "powershell" }],
    });
    expect(field("endpoint.run_script", "script")).toMatchObject({ kind: "text", reference: "script", max: 200 });
    expect(field("endpoint.run_script", "time_limit_seconds")).toMatchObject({ kind: "number", unit: "seconds" });
    expect(field("endpoint.isolate", "allow")).toMatchObject({ kind: "rows", most: 64 });
    expect(field("endpoint.isolate", "canaries")).toMatchObject({ kind: "lines", most: 16 });
  });

  it("take shapes that no action has yet", () => {
    const schema: Schema = {
      oneOf: [
        { type: "object", title: "Whole", properties: { kind: { const: "all" } }, required: ["kind"] },
        {
          type: "object",
          properties: { kind: { const: "some" }, names: { type: "array", items: { type: "string" }, minItems: 1 } },
          required: ["kind", "names"],
        },
      ],
    };
    const what = fieldOf("what", schema, true);
    expect(what).toMatchObject({ kind: "variant", tag: "kind", variants: [{ label: "Whole" }, { label: "Some" }] });
    expect(paramsOf([what], { what: { kind: "some", names: "a\nb" } })).toEqual({
      what: { kind: "some", names: ["a", "b"] },
    });
    expect(problemsOf([what], valuesOf([what])).get("what")).toBe("This is needed.");
    const secret = fieldOf("password", { type: "string", format: "password", minLength: 12 }, true);
    expect(secret).toMatchObject({ kind: "text", isSecret: true });
    expect(fieldOf("days", { type: "array", items: { enum: ["mo", "tu"] } }, false)).toMatchObject({ kind: "picks" });
    expect(fieldOf("odd", { type: "object" }, false).kind).toBe("json");
    expect(problemsOf([fieldOf("odd", {}, false)], { odd: "{" }).get("odd")).toMatch(/not JSON/);
  });

  it("stand in the order that the schema says", () => {
    const properties: Record<string, Schema> = { a: { type: "string" }, b: { type: "string" }, c: { type: "string" } };
    expect(fieldsOf({ properties, required: ["c"] }).map((each) => each.name)).toEqual(["c", "a", "b"]);
    expect(fieldsOf(schemaOf("file.collect"))[0]).toMatchObject({ name: "path", isFolded: false });
    expect(field("file.collect", "path_hex").isFolded).toBe(true);
    const order = ["b", "c", "a"];
    expect(fieldsOf({ properties, "x-quell-order": order }).map((each) => each.name)).toEqual(order);
  });
});

describe("what is asked first", () => {
  it("is what an action is about, whatever holds where nothing is said", () => {
    for (const [action, name] of [
      ["endpoint.run_script", "arguments"],
      ["process.start", "arguments"],
      ["endpoint.collect_evidence", "artifacts"],
      ["endpoint.scan_malware", "quarantine"],
      ["blocklist.add", "objects"],
      ["blocklist.remove", "objects"],
    ] as const)
      expect(field(action, name).isFolded, `${action} ${name}`).toBe(false);
  });

  it("is picked from the library, also several of it", () => {
    expect(field("endpoint.run_yara", "rules")).toMatchObject({ kind: "text", reference: "yara" });
    expect(field("endpoint.scan_malware", "rules")).toMatchObject({ kind: "lines", reference: "yara" });
  });
});

describe("words", () => {
  it("are made of names", () => {
    expect(labelOf("path_hex")).toBe("Path hex");
    expect(labelOf("sha256")).toBe("SHA-256");
    expect(labelOf("output_limit_bytes")).toBe("Output limit");
    expect(labelOf("max_bytes")).toBe("Max bytes");
    expect(inSentence(labelOf("pid"))).toBe("process ID");
    expect(inSentence(labelOf("sha1"))).toBe("SHA-1");
    expect(inSentence(labelOf("clamav"))).toBe("ClamAV");
  });

  it("compare values, not their order", () => {
    expect(same({ a: [1, { b: null }], c: "x" }, { c: "x", a: [1, { b: null }] })).toBe(true);
    expect(same([1, 2], [2, 1])).toBe(false);
    expect(same({}, [])).toBe(false);
  });
});
