import { IconArchive } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";
import { INSIDE } from "./inside-needs";

export const screens: Screen[] = [
  {
    path: "/artifacts",
    title: "Artifacts",
    load: () => import("./Artifacts"),
    needs: "artifact.read",
    nav: { group: "Evidence", icon: IconArchive, key: "f" },
  },
  { path: "/artifacts/$id", title: "Archive", load: () => import("./Inside"), needs: INSIDE },
];
