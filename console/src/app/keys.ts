/// Keys that work everywhere: `/` searches, `g` and a letter goes, `a` acts, `?` tells, `Ctrl+K` opens the palette, also
/// while that is still being read.

import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

import { useAct } from "../act/start";
import { useSetting } from "../api/settings";
import { isPaletteOpen, togglePalette } from "./palette";
import { screens } from "./screens";

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

/** Milliseconds in which the second key of a pair counts. */
const PAIR = 1200;

/** Whether keys of one letter do something; who speaks to the machine turns them off (WCAG 2.2, 2.1.4). */
export function useLetterKeys(): [boolean, (value: boolean) => void] {
  return useSetting<boolean>("keys", true);
}

export function useKeys(help: () => void): void {
  const navigate = useNavigate();
  const act = useAct();
  const pressed = useRef(0);
  const [hasLetters] = useLetterKeys();
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
        event.preventDefault();
        // Over another dialog it would take what was typed there away.
        if (isPaletteOpen() || document.querySelector("[role=dialog]") === null) togglePalette();
        return;
      }
      if (
        !hasLetters ||
        event.ctrlKey ||
        event.metaKey ||
        event.altKey ||
        isTyping(event.target) ||
        document.querySelector("[role=dialog]")
      )
        return;
      if (event.timeStamp - pressed.current < PAIR) {
        pressed.current = 0;
        const screen = screens.find((each) => each.nav?.key === event.key);
        if (screen !== undefined) {
          event.preventDefault();
          void navigate({ to: screen.path });
          return;
        }
      }
      if (event.key === "g") pressed.current = event.timeStamp;
      if (event.key === "a") act({});
      if (event.key === "?") help();
      if (event.key === "/") {
        const box = document.querySelector<HTMLInputElement>("[data-search]");
        if (box !== null) {
          event.preventDefault();
          box.focus();
          box.select();
        }
      }
    };
    document.addEventListener("keydown", listen);
    return () => {
      document.removeEventListener("keydown", listen);
    };
  }, [navigate, act, help, hasLetters]);
}
