/// Parameters of a request in the words of the action's schema.

import { words } from "../../ui/text";

export type Param = {
  key: string;
  name: string;
  value: string;
  /** The first sentence of what the schema says. */
  about: string;
  isDefault: boolean;
  isScript: boolean;
};

type Property = { title?: string; description?: string; default?: unknown; [name: string]: unknown };

function propertiesOf(schema: unknown): Record<string, Property> {
  if (typeof schema !== "object" || schema === null) return {};
  const { properties } = schema as { properties?: unknown };
  return typeof properties === "object" && properties !== null ? (properties as Record<string, Property>) : {};
}

function shown(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (value === null || value === undefined) return "–";
  if (Array.isArray(value)) {
    if (value.length === 0) return "none";
    return value.map((each) => (typeof each === "object" ? JSON.stringify(each) : String(each))).join("\n");
  }
  return typeof value === "object" ? JSON.stringify(value, null, 2) : String(value as number);
}

/** Nothing that anybody chose: empty, off, or what the schema sets by itself. */
function isLeft(value: unknown, property: Property | undefined): boolean {
  if (value === null || value === undefined) return true;
  if (property === undefined || !("default" in property)) return false;
  return JSON.stringify(value) === JSON.stringify(property.default);
}

function titled(key: string): string {
  const plain = words(key);
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

/** In the order of the schema; what it does not know stands at the end. */
export function paramsOf(params: unknown, schema: unknown): Param[] {
  const given = (typeof params === "object" && params !== null ? params : {}) as Record<string, unknown>;
  const properties = propertiesOf(schema);
  const known = Object.keys(properties).filter((key) => key in given);
  const rest = Object.keys(given).filter((key) => !(key in properties));
  return [...known, ...rest].map((key) => {
    const property = properties[key];
    const [about = ""] = (property?.description ?? "").split(/(?<=\.)\s/);
    return {
      key,
      name: property?.title ?? titled(key),
      value: shown(given[key]),
      about,
      isDefault: isLeft(given[key], property),
      isScript: property?.["x-quell-reference"] === "script",
    };
  });
}
