/// What stands where an answer is to stand: that it is being read, or why it could not be.

import { Loader, type LoaderProps } from "@mantine/core";
import type { ReactNode } from "react";

import { Failure } from "./Failure";

type Answer = { data: unknown; error: unknown; refetch: () => Promise<unknown> };

type Props = { answer: Answer } & (
  | ({
      /** What is being read. */
      label: string;
    } & Pick<LoaderProps, "m" | "size">)
  | {
      /** Stands there while it is read. */
      children: ReactNode;
    }
);

/** Nothing where it is read. */
export function Unread({ answer, ...meanwhile }: Props) {
  if (answer.error !== null) return <Failure error={answer.error} retry={() => void answer.refetch()} />;
  if (answer.data !== undefined) return null;
  if ("children" in meanwhile) return meanwhile.children;
  const { label, ...look } = meanwhile;
  return <Loader aria-label={label} {...look} />;
}
