import { IconLayoutDashboard } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  {
    path: "/",
    title: "Overview",
    load: () => import("./Overview"),
    needs: "task.read",
    nav: { group: "Respond", icon: IconLayoutDashboard, key: "o" },
  },
];
