import { IconArchive } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  {
    path: "/artifacts",
    title: "Artifacts",
    load: () => import("./Artifacts"),
    needs: "artifact.read",
    nav: { group: "Evidence", icon: IconArchive, key: "f" },
  },
];
