/// What the service reported, drawn from the action's outcome schema: no action has words of its own here.

import { Anchor, Box, Group, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { Help } from "../../form/Help";
import { Copy } from "../../ui/Copy";
import { Name } from "../../ui/Name";
import { SmallTable } from "../../ui/SmallTable";
import { Time } from "../../ui/Time";
import { count } from "../../ui/text";
import { isProbes } from "./evidence";
import { isOutput, Output } from "./Output";
import { isNothing, isRecord, label, present, type Schema } from "./schema";
import { sayValue } from "./words";
import classes from "./Task.module.css";

/** Rows of one list that are drawn. */
const ROWS = 200;

export function Outcome({ value, schema, name }: { value: unknown; schema: Schema | undefined; name: string }) {
  if (!isRecord(value)) return null;
  const fields = Object.keys({ ...schema?.properties, ...value }).filter(
    (field) => !isNothing(value[field]) && !isProbes(value[field]),
  );
  // What a program wrote first, then what is short, then what needs the width of the page.
  const written = fields
    .filter((field) => isOutput(value[field]))
    .sort((one, other) => size(value[other]) - size(value[one]));
  const short = fields.filter((field) => !isWide(value[field]));
  const wide = fields.filter((field) => isWide(value[field]) && !isOutput(value[field]));
  return (
    <Box component="dl" className={classes.outcome}>
      {[...written, ...short, ...wide].map((field) => (
        <Field key={field} name={field} value={value[field]} schema={present(schema?.properties?.[field])} of={name} />
      ))}
    </Box>
  );
}

function size(output: unknown): number {
  return isOutput(output) ? output.bytes : 0;
}

function isWide(value: unknown): boolean {
  return isOutput(value) || isRows(value) || (isRecord(value) && !isArtifact(value) && !isListed(value));
}

function isRows(value: unknown): value is Record<string, unknown>[] {
  return Array.isArray(value) && value.length > 0 && value.every(isRecord);
}

function isArtifact(value: unknown): value is Record<string, unknown> & { artifact_id: string } {
  return isRecord(value) && typeof value["artifact_id"] === "string";
}

/** Rows of an action: the task lists those of all its endpoints as one. */
function isListed(value: unknown): value is { count: number; truncated: unknown } {
  return (
    isRecord(value) && typeof value["count"] === "number" && [value["columns"], value["shown"]].every(Array.isArray)
  );
}

type FieldProps = { name: string; value: unknown; schema: Schema | undefined; of: string };

function Field({ name, value, schema, of }: FieldProps) {
  const help = schema?.description;
  return (
    <div className={isWide(value) ? `${classes.field ?? ""} ${classes.wide ?? ""}` : classes.field}>
      <dt>
        <Text component="span" size="sm" fw={550}>
          {label(name)}
        </Text>
        {help ? (
          <Text component="span" size="xs" c="dimmed" display="block">
            <Help>{help}</Help>
          </Text>
        ) : null}
      </dt>
      <dd>
        <Value name={name} value={value} schema={schema} of={of} />
      </dd>
    </div>
  );
}

function Value({ name, value, schema, of }: FieldProps) {
  if (isOutput(value)) return <Output output={value} file={`${of}-${name}.txt`} />;
  if (isArtifact(value)) {
    return (
      <Group gap="xs">
        <Anchor component={Link} to={`/artifacts?open=${value.artifact_id}`} size="sm">
          Open the artifact
        </Anchor>
        <Text component="span" size="sm">
          <Name length={200}>{sayValue(name, { ...value, artifact_id: null, sha256: null })}</Name>
        </Text>
      </Group>
    );
  }
  if (isListed(value)) {
    const more = value.truncated === true ? ", and there were more" : "";
    return <Name>{`${count(value.count, "row")}${more}; listed under “What was found”`}</Name>;
  }
  if (isRows(value)) return <Rows rows={value} schema={present(schema?.items)} name={name} />;
  if (isRecord(value)) return <Outcome value={value} schema={schema} name={of} />;
  return <Scalar name={name} value={value} />;
}

function Scalar({ name, value }: { name: string; value: unknown }) {
  // Microseconds since 1970, where the number is one of our days.
  if (name.endsWith("_us") && typeof value === "number" && value > 1e14) {
    return <Time at={new Date(value / 1000).toISOString()} />;
  }
  const text = sayValue(name, value);
  if (typeof value === "string" && /^[0-9a-f]{32,}$/.test(value)) {
    return (
      <Group gap={4} wrap="nowrap">
        <Name mono length={130} fz="xs">
          {value}
        </Name>
        <Copy value={value} label={`Copy ${label(name)}`} />
      </Group>
    );
  }
  return <Name length={400}>{text}</Name>;
}

function Rows({ rows, schema, name }: { rows: Record<string, unknown>[]; schema: Schema | undefined; name: string }) {
  const known = Object.keys(schema?.properties ?? {});
  const names = [...new Set([...known, ...rows.flatMap((row) => Object.keys(row))])].filter((field) =>
    rows.some((row) => !isNothing(row[field])),
  );
  return (
    <div className={classes.scroll} tabIndex={0} role="region" aria-label={label(name)}>
      <SmallTable
        columns={names.map((field) => ({
          title: label(field),
          about: schema?.properties?.[field]?.description,
          cell: (row: Record<string, unknown>) => <Scalar name={field} value={row[field]} />,
        }))}
        rows={rows.slice(0, ROWS)}
        of={(_, index) => index}
        verticalSpacing={4}
        fz="sm"
      />
      {rows.length > ROWS ? (
        <Text size="xs" c="dimmed">
          and {rows.length - ROWS} more, which stand in the raw outcome
        </Text>
      ) : null}
    </div>
  );
}
