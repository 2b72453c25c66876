/// Opens the palette; apart from it, so that the palette itself is read only when it is needed.

import { createSpotlight } from "@mantine/spotlight";

export const [paletteStore, palette] = createSpotlight();

export function openPalette(): void {
  palette.open();
}
