/// A terminal in an element of the page, for as long as that is drawn, in the colours of the page.

import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef, useState, type RefObject } from "react";

import { useSetting } from "../../api/settings";
import { makePaper, shrink, themeOf, type Look, type Paper } from "./paper";

/** Whether what is shown is read out: a choice of the person, since it takes time. */
export function useReader(): [boolean, (value: boolean) => void] {
  return useSetting<boolean>("shell.reader", false);
}

/** The terminal, once there is one; another one for another `key`. */
export function usePaper(
  box: RefObject<HTMLElement | null>,
  key: string,
  look: Pick<Look, "readOnly" | "size">,
): Paper | undefined {
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const [forReader] = useReader();
  const first = useRef({ ...look, scheme, forReader });
  // Whoever types has a terminal as large as there is room; others see one of that size.
  const isFixed = look.readOnly;
  const [paper, setPaper] = useState<Paper>();
  useEffect(() => {
    if (box.current === null) return undefined;
    const made = makePaper(box.current, first.current);
    setPaper(made);
    return () => {
      setPaper(undefined);
      made.dispose();
    };
  }, [box, key]);
  useEffect(() => {
    const element = box.current;
    if (paper === undefined || element === null || !isFixed) return undefined;
    // Once it is drawn in its new size.
    let frame = 0;
    const fit = (): void => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => {
        shrink(paper, element);
      });
    };
    const observer = new ResizeObserver(fit);
    observer.observe(element);
    const resized = paper.terminal.onResize(fit);
    return () => {
      cancelAnimationFrame(frame);
      observer.disconnect();
      resized.dispose();
    };
  }, [paper, box, isFixed]);
  useEffect(() => {
    if (paper === undefined) return;
    paper.terminal.options.theme = themeOf(scheme);
    paper.terminal.options.screenReaderMode = forReader;
  }, [paper, scheme, forReader]);
  return paper;
}
