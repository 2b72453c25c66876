/// The Events section: what was detected, and what was done about it.

import { IconRadar2 } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  {
    path: "/events",
    title: "Events",
    load: () => import("./Events"),
    needs: "incident.read",
    nav: { group: "Respond", icon: IconRadar2, key: "v" },
  },
];
