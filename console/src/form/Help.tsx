/// A description of the API as help: code as code, the rest as it is.

import { Code } from "@mantine/core";
import { Fragment } from "react";

export function Help({ children }: { children: string }) {
  // Every other part stood between backticks.
  const parts = children.replace(/\s*\n\s*/g, " ").split("`");
  return parts.map((part, index) => (
    <Fragment key={index}>{index % 2 === 1 ? <Code fz="inherit">{part}</Code> : part}</Fragment>
  ));
}
