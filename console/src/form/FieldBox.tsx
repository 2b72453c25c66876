/// One field, by its kind.

import {
  Button,
  Checkbox,
  CloseButton,
  Fieldset,
  Group,
  MultiSelect,
  NumberInput,
  PasswordInput,
  Select,
  Stack,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";

import { bytes } from "../ui/text";
import { duration } from "../ui/Time";
import type {
  ChoiceField,
  Field,
  GroupField,
  LinesField,
  NumberField,
  PicksField,
  RowsField,
  TextField,
  VariantField,
} from "./fields";
import { Help } from "./Help";
import { pickers } from "./references";
import { ReferenceList } from "./references/ReferenceList";
import { SchemaForm } from "./SchemaForm";
import type { Problems } from "./problems";
import { linesOf, valuesOf, type Value, type Values } from "./values";

export type BoxProps<F extends Field> = {
  field: F;
  path: string;
  value: Value | undefined;
  change: (value: Value) => void;
  problems: Problems;
};

export function FieldBox({ field, ...rest }: BoxProps<Field>) {
  switch (field.kind) {
    case "text":
      return <TextBox field={field} {...rest} />;
    case "number":
      return <NumberBox field={field} {...rest} />;
    case "flag":
      return (
        <Checkbox
          {...common(field, rest)}
          checked={rest.value === true}
          onChange={(event) => {
            rest.change(event.currentTarget.checked);
          }}
        />
      );
    case "choice":
      return <ChoiceBox field={field} {...rest} />;
    case "lines":
      return <LinesBox field={field} {...rest} />;
    case "picks":
      return <PicksBox field={field} {...rest} />;
    case "rows":
      return <RowsBox field={field} {...rest} />;
    case "group":
      return <GroupBox field={field} {...rest} />;
    case "variant":
      return <VariantBox field={field} {...rest} />;
    case "json":
      return (
        <Textarea
          {...common(field, rest)}
          ff="monospace"
          autosize
          minRows={3}
          maxRows={16}
          placeholder="{ }"
          spellCheck={false}
          value={typeof rest.value === "string" ? rest.value : ""}
          onChange={(event) => {
            rest.change(event.currentTarget.value);
          }}
        />
      );
  }
}

/** What every control has: name, help, whether it must be filled, what is wrong with it. */
export function common(field: Field, { path, problems }: Pick<BoxProps<Field>, "path" | "problems">) {
  const error = problems.at(path);
  return {
    label: field.label,
    "data-path": path,
    required: field.isRequired && field.kind !== "flag",
    ...(field.help === undefined ? {} : { description: <Help>{field.help}</Help> }),
    ...(error === undefined ? {} : { error: <Help>{error}</Help> }),
  };
}

function TextBox({ field, value, change, ...rest }: BoxProps<TextField>) {
  const text = typeof value === "string" ? value : "";
  const Picker = field.reference === undefined ? undefined : pickers[field.reference];
  if (Picker !== undefined) return <Picker {...common(field, rest)} value={text} change={change} />;
  const props = {
    ...common(field, rest),
    value: text,
    autoComplete: "off",
    spellCheck: false,
    onChange: (event: { currentTarget: { value: string } }) => {
      change(event.currentTarget.value);
    },
  };
  if (field.isSecret) return <PasswordInput {...props} autoComplete="new-password" />;
  // Long text has room; the short stays on its line.
  return (field.max ?? 0) > 500 ? <Textarea {...props} autosize minRows={2} maxRows={12} /> : <TextInput {...props} />;
}

const SECONDS: Record<string, number> = { seconds: 1, minutes: 60, hours: 3600, days: 86_400 };

/** `300 seconds` as `5 min`, where that is easier to read. */
function easier(unit: string | undefined, value: Value | undefined): string | undefined {
  if (unit === undefined || typeof value !== "number") return unit;
  if (unit === "bytes") return value < 1024 ? unit : `${unit} = ${bytes(value)}`;
  const seconds = value * (SECONDS[unit] ?? 0);
  const isPlain = seconds < 120 || (unit === "minutes" && value < 120);
  return isPlain ? unit : `${unit} = ${duration(seconds * 1000)}`;
}

function NumberBox({ field, value, change, ...rest }: BoxProps<NumberField>) {
  const unit = easier(field.unit, value);
  return (
    <NumberInput
      {...common(field, rest)}
      value={typeof value === "number" || typeof value === "string" ? value : ""}
      onChange={change}
      allowDecimal={!field.isInteger}
      clampBehavior="none"
      hideControls
      styles={{ wrapper: { maxWidth: 360 } }}
      {...(field.initial === undefined || field.initial === null ? {} : { placeholder: String(field.initial) })}
      {...(unit === undefined
        ? {}
        : {
            rightSectionWidth: 10 + unit.length * 7.5,
            rightSectionPointerEvents: "none" as const,
            rightSection: (
              <Text size="xs" c="dimmed" pr={8} style={{ whiteSpace: "nowrap" }}>
                {unit}
              </Text>
            ),
          })}
    />
  );
}

function optionLabel(option: { label: string; help?: string }): string {
  const help = option.help?.replace(/\.$/, "");
  return help === undefined || help.toLowerCase() === option.label.toLowerCase()
    ? option.label
    : `${option.label} · ${help}`;
}

function ChoiceBox({ field, value, change, ...rest }: BoxProps<ChoiceField>) {
  return (
    <Select
      {...common(field, rest)}
      data={field.options.map((option) => ({ value: option.value, label: optionLabel(option) }))}
      value={typeof value === "string" ? value : null}
      onChange={change}
      clearable={!field.isRequired}
      searchable={field.options.length > 8}
      placeholder={field.isRequired ? "Choose" : "Not said"}
      styles={{ wrapper: { maxWidth: 360 } }}
    />
  );
}

function PicksBox({ field, value, change, ...rest }: BoxProps<PicksField>) {
  return (
    <MultiSelect
      {...common(field, rest)}
      data={field.options.map((option) => ({ value: option.value, label: optionLabel(option) }))}
      value={Array.isArray(value) ? value.map(String) : []}
      onChange={change}
      clearable
      searchable={field.options.length > 8}
    />
  );
}

/** The problems of single lines, said together under the box. */
function lineProblems(problems: Problems, path: string): string | undefined {
  const said = problems.under(path).flatMap(([at, problem]) => {
    const line = /\[(\d+)\]$/.exec(at)?.[1];
    return line === undefined ? (at === path ? [problem] : []) : [`Line ${String(Number(line) + 1)}: ${problem}`];
  });
  return said.length === 0 ? undefined : said.slice(0, 5).join(" ");
}

function LinesBox({ field, value, change, ...rest }: BoxProps<LinesField>) {
  const size = linesOf(value).length;
  const Picker = field.reference === undefined ? undefined : pickers[field.reference];
  if (Picker !== undefined) {
    const text = typeof value === "string" ? value : "";
    return (
      <ReferenceList
        {...common(field, rest)}
        {...rest}
        Picker={Picker}
        most={field.most}
        value={text}
        change={change}
      />
    );
  }
  const error = lineProblems(rest.problems, rest.path);
  return (
    <Textarea
      {...common(field, rest)}
      {...(error === undefined ? {} : { error: <Help>{error}</Help> })}
      placeholder="One a line"
      autosize
      minRows={1}
      maxRows={8}
      spellCheck={false}
      styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: "0.8rem" } }}
      rightSectionWidth={size > 1 ? 34 : 0}
      rightSection={
        size > 1 ? (
          <Text size="xs" c="dimmed">
            {size}
          </Text>
        ) : null
      }
      value={typeof value === "string" ? value : ""}
      onChange={(event) => {
        change(event.currentTarget.value);
      }}
    />
  );
}

function RowsBox({ field, path, value, change, problems }: BoxProps<RowsField>) {
  const rows = Array.isArray(value) ? (value as Values[]) : [];
  const error = problems.at(path);
  return (
    <Fieldset legend={field.label} p="sm">
      <Stack gap="xs">
        {field.help === undefined ? null : (
          <Text size="xs" c="dimmed">
            <Help>{field.help}</Help>
          </Text>
        )}
        {rows.map((row, index) => (
          <Group key={index} wrap="nowrap" align="flex-start" gap="xs">
            <div style={{ flex: 1, minWidth: 0 }}>
              <SchemaForm
                fields={field.fields}
                values={row}
                at={`${path}[${String(index)}]`}
                problems={problems}
                change={(next) => {
                  change(rows.map((each, at) => (at === index ? next : each)));
                }}
              />
            </div>
            <CloseButton
              mt={22}
              aria-label={`Remove number ${String(index + 1)} of ${field.label.toLowerCase()}`}
              onClick={() => {
                change(rows.filter((_, at) => at !== index));
              }}
            />
          </Group>
        ))}
        {error === undefined ? null : (
          <Text size="xs" c="var(--mantine-color-error)">
            {error}
          </Text>
        )}
        <Button
          variant="default"
          size="xs"
          w="fit-content"
          leftSection={<IconPlus size={14} aria-hidden />}
          disabled={field.most !== undefined && rows.length >= field.most}
          onClick={() => {
            change([...rows, valuesOf(field.fields)]);
          }}
        >
          Add{rows.length > 0 ? " another" : ""}
        </Button>
      </Stack>
    </Fieldset>
  );
}

function GroupBox({ field, path, value, change, problems }: BoxProps<GroupField>) {
  return (
    <Fieldset legend={field.label} p="sm">
      {field.help === undefined ? null : (
        <Text size="xs" c="dimmed" mb="xs">
          <Help>{field.help}</Help>
        </Text>
      )}
      <SchemaForm
        fields={field.fields}
        values={(value ?? {}) as Values}
        at={path}
        problems={problems}
        change={change}
      />
    </Fieldset>
  );
}

function VariantBox({ field, path, value, change, problems }: BoxProps<VariantField>) {
  const values = (value ?? {}) as Values;
  const variant = field.variants.find((each) => each.value === values[field.tag]);
  return (
    <Stack gap="xs">
      <Select
        {...common(field, { path, problems })}
        data={field.variants.map((each) => ({ value: each.value, label: optionLabel(each) }))}
        value={variant?.value ?? null}
        clearable={!field.isRequired}
        styles={{ wrapper: { maxWidth: 360 } }}
        onChange={(next) => {
          const chosen = field.variants.find((each) => each.value === next);
          // What both shapes have by name is kept.
          change(chosen ? { ...valuesOf(chosen.fields), ...values, [field.tag]: chosen.value } : { [field.tag]: null });
        }}
      />
      {variant === undefined || variant.fields.length === 0 ? null : (
        <SchemaForm fields={variant.fields} values={values} at={path} problems={problems} change={change} />
      )}
    </Stack>
  );
}
