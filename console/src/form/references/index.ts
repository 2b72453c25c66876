/// Controls for parameters that name something the server has a list of; a new kind of reference is a line here.

import type { ReactNode } from "react";

import { ScriptPicker } from "./ScriptPicker";

export type PickerProps = {
  label: string;
  description?: ReactNode;
  required: boolean;
  error?: string;
  "data-path": string;
  value: string;
  change: (value: string) => void;
};

export const pickers: Record<string, (props: PickerProps) => ReactNode> = { script: ScriptPicker };
