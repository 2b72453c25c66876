/// Controls for parameters that name something the server has a list of; a new kind of reference is a line here.

import type { ReactNode } from "react";

import { libraryPicker } from "./LibraryPicker";

export type PickerProps = {
  /** What it is called; where nothing is shown, it is read out. */
  label?: string;
  "aria-label"?: string;
  description?: ReactNode;
  required: boolean;
  /** Whether it can be emptied; where it must be filled it cannot. */
  clearable?: boolean;
  error?: ReactNode;
  "data-path": string;
  value: string;
  change: (value: string) => void;
};

const LIBRARY = ["script", "yara", "sigma", "query", "evidence", "kit", "indicators"];

export const pickers: Record<string, (props: PickerProps) => ReactNode> = Object.fromEntries(
  LIBRARY.map((kind) => [kind, libraryPicker(kind)]),
);
