/// Numbered steps of a plan, one under the other, in the order in which they are done.

import type { ReactNode } from "react";

import classes from "./Steps.module.css";

export function Steps({ label, children }: { label?: string; children: ReactNode }) {
  return (
    <ol className={classes.steps} aria-label={label}>
      {children}
    </ol>
  );
}

type Props = {
  number: number;
  /** Whether it is to be done; otherwise it stands back. */
  isOn: boolean;
  /** Where it can be ticked, what it is ticked with. */
  tick?: ReactNode;
  /** What stands at its end, where there is room. */
  beside?: ReactNode;
  children: ReactNode;
};

export function Step({ number, isOn, tick, beside, children }: Props) {
  return (
    <li className={classes.step} data-on={isOn || undefined} data-ticked={(tick !== undefined && isOn) || undefined}>
      {tick}
      <span className={classes.number} aria-hidden>
        {number}
      </span>
      <div className={classes.text}>{children}</div>
      {beside === undefined ? null : <div className={classes.beside}>{beside}</div>}
    </li>
  );
}
