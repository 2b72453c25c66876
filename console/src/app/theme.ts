/// Colours and sizes. Text keeps a contrast of 4.5 to 1 in both themes (WCAG 2.2, 1.4.3); a test with axe looks at every
/// screen.

import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from "@mantine/core";

const quell: MantineColorsTuple = [
  "#e3fafc",
  "#c5f1f5",
  "#8fdfe8",
  "#56ccda",
  "#2dbccd",
  "#12a4b6",
  "#0b8496",
  "#0b7285",
  "#095c6c",
  "#064451",
];

/** Text, borders, controls and ground of the dark theme, from light to dark, a little to the blue. */
const dark: MantineColorsTuple = [
  "#dce1e5",
  "#bcc4cb",
  "#a3acb4",
  "#69737d",
  "#363f48",
  "#2a323a",
  "#1f262d",
  "#14191e",
  "#0f1317",
  "#0a0d10",
];

export const theme = createTheme({
  colors: { quell, dark },
  primaryColor: "quell",
  primaryShade: { light: 7, dark: 7 },
  autoContrast: true,
  luminanceThreshold: 0.35,
  defaultRadius: "sm",
  cursorType: "pointer",
  fontFamily: "Inter, system-ui, -apple-system, 'Segoe UI', 'Noto Sans', Roboto, sans-serif",
  fontFamilyMonospace: "ui-monospace, 'Cascadia Mono', 'JetBrains Mono', 'DejaVu Sans Mono', monospace",
  headings: {
    fontWeight: "650",
    sizes: { h1: { fontSize: "1.4rem" }, h2: { fontSize: "1.1rem" }, h3: { fontSize: "1rem" } },
  },
  components: {
    Tooltip: {
      defaultProps: {
        withArrow: true,
        multiline: true,
        maw: 420,
        openDelay: 250,
        events: { hover: true, focus: true, touch: true },
      },
    },
    // Nothing but items stands in a menu: the first of them gets the focus.
    Menu: { defaultProps: { withInitialFocusPlaceholder: false } },
    Modal: { defaultProps: { centered: true, closeButtonProps: { "aria-label": "Close" } } },
    // Its label is read out only where it has a role.
    Loader: { defaultProps: { role: "status" } },
    Drawer: { defaultProps: { position: "right", size: "lg", closeButtonProps: { "aria-label": "Close" } } },
    NavLink: { styles: { root: { borderRadius: 6 }, label: { fontSize: "0.86rem" } } },
    Anchor: { defaultProps: { underline: "hover" } },
  },
});

/** Where the library's own shades are too pale for text. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "#5a6168",
    "--mantine-color-placeholder": "#666d74",
    "--mantine-color-anchor": "#0b6678",
    "--mantine-color-error": "#c92a2a",
    "--quell-surface": "#f6f8f9",
    "--quell-line": "#dfe4e8",
    "--quell-ok": "#1f7a35",
    "--quell-warn": "#985500",
    "--quell-bad": "#c02626",
    "--quell-busy": "#0b6678",
    "--quell-quiet": "#565d64",
  },
  dark: {
    "--mantine-color-dimmed": "#a3a9b0",
    "--mantine-color-placeholder": "#9aa0a7",
    "--mantine-color-anchor": "#56ccda",
    "--mantine-color-error": "#ff8787",
    "--quell-surface": "#1a2026",
    "--quell-line": "#2a323a",
    "--quell-ok": "#69db7c",
    "--quell-warn": "#ffc078",
    "--quell-bad": "#ff8787",
    "--quell-busy": "#66d9e8",
    "--quell-quiet": "#a9b0b7",
  },
});
