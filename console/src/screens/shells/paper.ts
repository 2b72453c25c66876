/// The terminal as this page lets it be: what it draws obeys the page's policy, and what an endpoint writes into it can only
/// be seen. Links, titles, the clipboard, the window, and colours that hide text are not the endpoint's to set.

import "@xterm/xterm/css/xterm.css";

import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Terminal, type IDisposable, type ITheme } from "@xterm/xterm";

import { nonce } from "../../app/policy";

/** Pixels of a letter, and of one that is drawn smaller so that a terminal of another size fits. */
const FONT = 13;
const LEAST = 8;
/** Lines that can be scrolled back to. */
const SCROLLBACK = 10_000;
/** Operating system commands that are not obeyed: titles, colours, working directory, links, clipboard, notices. */
const COMMANDS = [0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 17, 19, 50, 52, 99, 104, 110, 111, 112, 133, 633, 777, 1337];

/** While a terminal makes its style sheets. */
let isOpening = false;

/** Style attributes are refused by the page's policy, styles set one by one are not. */
function setAttribute(this: HTMLElement, name: string, value: string): void {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}

/** The terminal writes style sheets and style attributes, and takes the page's document for it whatever it is given. */
function obeyPolicy(): void {
  const make = document.createElement.bind(document) as (name: string, options?: ElementCreationOptions) => HTMLElement;
  const obedient = (name: string, options?: ElementCreationOptions): HTMLElement => {
    const element = make(name, options);
    if (name === "span") element.setAttribute = setAttribute;
    if (name === "style" && isOpening) element.nonce = nonce;
    return element;
  };
  document.createElement = obedient as typeof document.createElement;
}

obeyPolicy();

const DARK: ITheme = {
  background: "#0f1317",
  foreground: "#dce1e5",
  cursor: "#56ccda",
  cursorAccent: "#0f1317",
  selectionBackground: "#0b5a68",
  black: "#2a323a",
  red: "#ff8787",
  green: "#69db7c",
  yellow: "#ffc078",
  blue: "#74c0fc",
  magenta: "#e599f7",
  cyan: "#66d9e8",
  white: "#dce1e5",
  brightBlack: "#8b949d",
  brightRed: "#ffa8a8",
  brightGreen: "#8ce99a",
  brightYellow: "#ffd8a8",
  brightBlue: "#a5d8ff",
  brightMagenta: "#eebefa",
  brightCyan: "#99e9f2",
  brightWhite: "#ffffff",
};

const LIGHT: ITheme = {
  background: "#ffffff",
  foreground: "#1b1f23",
  cursor: "#0b6678",
  cursorAccent: "#ffffff",
  selectionBackground: "#a5e3ec",
  black: "#1b1f23",
  red: "#b42323",
  green: "#1f7a35",
  yellow: "#8a5200",
  blue: "#1c5fa8",
  magenta: "#8b2fa0",
  cyan: "#0b6678",
  white: "#5a6168",
  brightBlack: "#565d64",
  brightRed: "#c92a2a",
  brightGreen: "#2b7a3d",
  brightYellow: "#985500",
  brightBlue: "#1864ab",
  brightMagenta: "#9c36b5",
  brightCyan: "#0b7285",
  brightWhite: "#1b1f23",
};

export function themeOf(scheme: string): ITheme {
  return scheme === "dark" ? DARK : LIGHT;
}

export type Paper = {
  terminal: Terminal;
  fit: FitAddon;
  search: SearchAddon;
  /** Whether what is written now asks the terminal in vain: nobody waits for answers to what was asked long ago. */
  mute: (is: boolean) => void;
  dispose: () => void;
};

export type Look = { scheme: string; forReader: boolean; readOnly: boolean; size?: { cols: number; rows: number } };

/** A terminal in `parent`. */
export function makePaper(parent: HTMLElement, { scheme, forReader, readOnly, size }: Look): Paper {
  const terminal = new Terminal({
    theme: themeOf(scheme),
    fontFamily: getComputedStyle(parent).fontFamily,
    fontSize: FONT,
    lineHeight: 1.15,
    scrollback: SCROLLBACK,
    screenReaderMode: forReader,
    // Text in the colour of its ground is seen nevertheless.
    minimumContrastRatio: 4.5,
    disableStdin: readOnly,
    cursorInactiveStyle: "outline",
    logLevel: "off",
    ...(size ?? {}),
  });
  let isMute = readOnly;
  const kept = harmless(terminal, () => isMute);
  const [fit, search] = [new FitAddon(), new SearchAddon()];
  terminal.loadAddon(fit);
  terminal.loadAddon(search);
  isOpening = true;
  try {
    terminal.open(parent);
  } finally {
    isOpening = false;
  }
  return {
    terminal,
    fit,
    search,
    mute: (is) => {
      isMute = is || readOnly;
    },
    dispose: () => {
      for (const each of kept) each.dispose();
      terminal.dispose();
    },
  };
}

/** Takes from what the endpoint writes whatever does more than be seen. */
function harmless({ parser }: Terminal, isMute: () => boolean): IDisposable[] {
  const swallow = (): boolean => true;
  return [
    ...COMMANDS.map((command) => parser.registerOscHandler(command, swallow)),
    // Windows: moved, resized, asked for their title.
    parser.registerCsiHandler({ final: "t" }, swallow),
    // Questions: state, kind of terminal, settings.
    parser.registerCsiHandler({ final: "n" }, isMute),
    parser.registerCsiHandler({ prefix: "?", final: "n" }, isMute),
    parser.registerCsiHandler({ final: "c" }, isMute),
    parser.registerCsiHandler({ prefix: ">", final: "c" }, isMute),
    parser.registerCsiHandler({ intermediates: "$", final: "p" }, isMute),
    parser.registerCsiHandler({ prefix: "?", intermediates: "$", final: "p" }, isMute),
    parser.registerDcsHandler({ intermediates: "$", final: "q" }, isMute),
  ];
}

/** Draws letters as large as `box` has room for all of its columns and rows, up to the usual size. */
export function shrink({ terminal }: Paper, box: HTMLElement): void {
  const screen = terminal.element?.querySelector(".xterm-screen");
  const now = terminal.options.fontSize ?? FONT;
  if (!screen || screen.clientWidth === 0 || screen.clientHeight === 0) return;
  // Beside it stands the scroll bar.
  const room = Math.min((box.clientWidth - 14) / screen.clientWidth, box.clientHeight / screen.clientHeight);
  const size = Math.floor(Math.min(Math.max(now * room, LEAST), FONT) * 4) / 4;
  if (Math.abs(size - now) >= 0.25) terminal.options.fontSize = size;
}
