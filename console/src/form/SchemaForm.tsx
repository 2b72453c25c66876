/// A form from a JSON Schema: of an action, of a connector, of settings. It knows none of them.

import { Button, Collapse, Stack } from "@mantine/core";
import { useDisclosure, useId } from "@mantine/hooks";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";

import { inSentence } from "./schema";
import { FieldBox } from "./FieldBox";
import type { Field } from "./fields";
import type { Problems } from "./problems";
import type { Value, Values } from "./values";
import { paramsOf } from "./values";

type Props = {
  fields: Field[];
  values: Values;
  change: (values: Values) => void;
  /** What is wrong at a path below this form, `allow[0].network`. */
  problems: Problems;
  /** The path of this form in the body; empty for the outermost. */
  at?: string;
};

/** The fields, the rarely needed behind “More”. */
export function SchemaForm({ fields, values, change, problems, at = "" }: Props) {
  const folded = fields.filter((field) => field.isFolded);
  const shown = fields.filter((field) => !field.isFolded);
  // What was said already, or is wrong, is not hidden.
  const isSaid = Object.keys(paramsOf(folded, values)).length > 0;
  const [isOpen, more] = useDisclosure(isSaid);
  const isWrong = folded.some((field) => problems.under(pathOf(at, field)).length > 0);
  const id = useId();
  const draw = (field: Field) => (
    <FieldBox
      key={field.name}
      field={field}
      path={pathOf(at, field)}
      value={values[field.name]}
      change={(value: Value) => {
        change({ ...values, [field.name]: value });
      }}
      problems={problems}
    />
  );
  const isShown = isOpen || isWrong;
  return (
    <Stack gap="sm">
      {shown.map(draw)}
      {folded.length === 0 ? null : (
        <div>
          <Button
            variant="subtle"
            size="compact-sm"
            h="auto"
            styles={{ label: { whiteSpace: "normal", textAlign: "left", lineHeight: 1.45 } }}
            aria-expanded={isShown}
            aria-controls={id}
            leftSection={
              isShown ? <IconChevronDown size={14} aria-hidden /> : <IconChevronRight size={14} aria-hidden />
            }
            onClick={more.toggle}
          >
            {shown.length === 0 ? "Options" : "More"}: {folded.map((field) => inSentence(field.label)).join(", ")}
          </Button>
          <Collapse expanded={isShown} id={id}>
            <Stack gap="sm" pt="xs">
              {folded.map(draw)}
            </Stack>
          </Collapse>
        </div>
      )}
    </Stack>
  );
}

function pathOf(at: string, field: Field): string {
  return at === "" ? field.name : `${at}.${field.name}`;
}
