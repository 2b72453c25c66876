/// What one looks through, and on its right what is known of what was chosen; on a narrow screen that comes over it.

import { Box, Drawer } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import type { ReactNode } from "react";

import classes from "./page.module.css";

type Props = {
  label: string;
  children: ReactNode;
  details: ReactNode;
  /** Whether somebody chose what is shown on the right: only then it comes over a narrow screen. */
  isChosen: boolean;
  unchoose: () => void;
};

export function Split({ label, children, details, isChosen, unchoose }: Props) {
  const isNarrow = useMediaQuery("(max-width: 68em)", undefined, { getInitialValueInEffect: false });
  if (isNarrow) {
    return (
      <>
        {children}
        <Drawer opened={isChosen} onClose={unchoose} title={label}>
          {details}
        </Drawer>
      </>
    );
  }
  return (
    <Box className={classes.split}>
      <Box miw={0}>{children}</Box>
      <Box component="section" className={classes.details} aria-label={label} tabIndex={0} data-testid="details">
        {details}
      </Box>
    </Box>
  );
}
