/// `Ctrl+K`: go somewhere, or do something, by typing.

import { Spotlight } from "@mantine/spotlight";
import { IconSearch } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";

import { paletteStore } from "./palette";
import { screens } from "./screens";
import "@mantine/spotlight/styles.css";

export default function Palette({ help }: { help: () => void }) {
  const navigate = useNavigate();
  return (
    <Spotlight
      store={paletteStore}
      shortcut={["mod + K"]}
      highlightQuery
      nothingFound="Nothing of that name"
      searchProps={{ leftSection: <IconSearch size={18} />, placeholder: "Find or do something" }}
      actions={[
        ...screens
          .filter((screen) => screen.nav)
          .map((screen) => ({
            id: screen.path,
            label: screen.title,
            onClick: () => void navigate({ to: screen.path }),
          })),
        { id: "keys", label: "Keys", onClick: help },
      ]}
    />
  );
}
