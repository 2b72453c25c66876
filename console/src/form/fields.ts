/// From a schema to the fields of a form: pure, so that every action of the catalogue can be tried in a test.

import { labelOf, omit, unitOf, unwrapped, type Json, type Schema } from "./schema";

export type Option = { value: string; label: string; help?: string };

type Named = {
  name: string;
  label: string;
  help?: string;
  isRequired: boolean;
  /** Asked only of who wants to say it. */
  isFolded: boolean;
  /** What holds where nothing is said. */
  initial?: Json;
};

export type TextField = Named & {
  kind: "text";
  min?: number;
  max?: number;
  pattern?: string;
  format?: string;
  isSecret: boolean;
  reference?: string;
};
export type NumberField = Named & {
  kind: "number";
  isInteger: boolean;
  min?: number;
  max?: number;
  unit?: string;
};
export type FlagField = Named & { kind: "flag" };
export type ChoiceField = Named & { kind: "choice"; options: Option[] };
type Counted = { least?: number; most?: number };
/** A list of plain values, one a line; or of things that the API has a list of. */
export type LinesField = Named & Counted & { kind: "lines"; item: TextField | NumberField; reference?: string };
/** Several of a few. */
export type PicksField = Named & Counted & { kind: "picks"; options: Option[] };
/** A list of objects. */
export type RowsField = Named & Counted & { kind: "rows"; fields: Field[]; one: string };
export type GroupField = Named & { kind: "group"; fields: Field[] };
/** One of several shapes, told apart by the value of `tag`. */
export type VariantField = Named & { kind: "variant"; tag: string; variants: (Option & { fields: Field[] })[] };
/** What no other kind can draw. */
export type JsonField = Named & { kind: "json" };

export type Field =
  | TextField
  | NumberField
  | FlagField
  | ChoiceField
  | LinesField
  | PicksField
  | RowsField
  | GroupField
  | VariantField
  | JsonField;

/** The object without what is `undefined`: optional properties are left out, not empty. */
function without<T extends object>(object: { [Name in keyof T]: T[Name] | undefined }): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

/** The fields of an object, in the order in which people are asked. */
export function fieldsOf(schema: Schema): Field[] {
  const required = new Set(schema.required ?? []);
  const order = schema["x-quell-order"] ?? [];
  const place = (name: string): number => {
    const index = order.indexOf(name);
    return index >= 0 ? index : order.length + (required.has(name) ? 0 : 1);
  };
  return Object.entries(schema.properties ?? {})
    .map(([name, property]) => fieldOf(name, property, required.has(name)))
    .sort((one, other) => place(one.name) - place(other.name));
}

/** One field by its schema. */
export function fieldOf(name: string, whole: Schema, isRequired: boolean): Field {
  const { schema, isNullable } = unwrapped(whole);
  const hasDefault = whole.default !== undefined;
  const named = without<Named>({
    name,
    label: whole.title ?? labelOf(name),
    help: whole.description ?? schema.description,
    isRequired: isRequired && !isNullable,
    isFolded: whole["x-quell-fold"] ?? (!isRequired && hasDefault),
    initial: whole.default,
  });
  const options = optionsOf(schema);
  if (options !== undefined) return { ...named, kind: "choice", options };
  const variants = variantsOf(schema);
  if (variants !== undefined) return { ...named, kind: "variant", ...variants };
  switch (schema.type) {
    case "string":
      return textField(named, schema);
    case "integer":
    case "number":
      return without<NumberField>({
        ...named,
        kind: "number",
        isInteger: schema.type === "integer",
        min: schema.minimum,
        max: schema.maximum,
        unit: unitOf(name),
      });
    case "boolean":
      return { ...named, kind: "flag" };
    case "array":
      return listField(named, schema);
    case "object":
      return schema.properties === undefined
        ? { ...named, kind: "json" }
        : { ...named, kind: "group", fields: fieldsOf(schema) };
    default:
      return { ...named, kind: "json" };
  }
}

function textField(named: Named, schema: Schema): TextField {
  const isSecret = schema.format === "password";
  return without<TextField>({
    ...named,
    kind: "text",
    min: schema.minLength,
    max: schema.maxLength,
    pattern: schema.pattern,
    format: schema.format,
    isSecret,
    reference: schema["x-quell-reference"],
  });
}

function listField(named: Named, schema: Schema): Field {
  const counted = without<Counted>({ least: schema.minItems, most: schema.maxItems });
  const item = fieldOf("", schema.items ?? {}, true);
  const { help } = named;
  switch (item.kind) {
    case "choice":
      return { ...named, ...counted, kind: "picks", options: item.options };
    case "text":
    case "number":
      return without<LinesField>({
        ...named,
        ...counted,
        kind: "lines",
        item,
        reference: schema["x-quell-reference"] ?? schema.items?.["x-quell-reference"],
      });
    case "group":
      // What one of them is stands with its type.
      return { ...named, ...counted, kind: "rows", fields: item.fields, one: item.help ?? help ?? "" };
    default:
      return { ...named, kind: "json" };
  }
}

function optionsOf(schema: Schema): Option[] | undefined {
  const option = (value: Json, about: Schema): Option =>
    without<Option>({
      value: String(value),
      label: about.title ?? labelOf(String(value)),
      help: about.description,
    });
  if (schema.enum !== undefined && schema.enum.every((value) => typeof value === "string")) {
    return schema.enum.map((value) => option(value, {}));
  }
  const alternatives = schema.oneOf ?? schema.anyOf;
  if (alternatives === undefined) return undefined;
  const flat = alternatives.flatMap((each) =>
    typeof each.const === "string"
      ? [option(each.const, each)]
      : each.enum?.every((value) => typeof value === "string")
        ? each.enum.map((value) => option(value, {}))
        : [undefined],
  );
  return flat.every((each) => each !== undefined) ? flat : undefined;
}

function variantsOf(schema: Schema): Pick<VariantField, "tag" | "variants"> | undefined {
  const alternatives = schema.oneOf ?? schema.anyOf ?? [];
  const [first] = alternatives;
  const tag = Object.entries(first?.properties ?? {}).find(([, property]) => typeof property.const === "string")?.[0];
  if (tag === undefined) return undefined;
  const variants = alternatives.map((each) => {
    const value = each.properties?.[tag]?.const;
    if (typeof value !== "string") return undefined;
    const fields = fieldsOf({ ...each, properties: omit(each.properties ?? {}, tag) as Record<string, Schema> });
    return { ...without<Option>({ value, label: each.title ?? labelOf(value), help: each.description }), fields };
  });
  return variants.every((each) => each !== undefined) ? { tag, variants } : undefined;
}
