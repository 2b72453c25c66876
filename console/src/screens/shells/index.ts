import { IconTerminal2 } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  {
    path: "/shells",
    title: "Shells",
    load: () => import("./Shells"),
    needs: "task.read",
    nav: { group: "Respond", icon: IconTerminal2, key: "s" },
  },
  { path: "/shells/$id", title: "Shell", load: () => import("./Shell"), needs: "task.read" },
];
