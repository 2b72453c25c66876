/// The screens of the audit trail.

import { IconHistory } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  {
    path: "/audit",
    title: "Audit",
    load: () => import("./Audit"),
    needs: "audit.read",
    nav: { group: "Evidence", icon: IconHistory, key: "a" },
  },
  { path: "/audit/checkpoints", title: "Checkpoints", load: () => import("./Checkpoints"), needs: "audit.read" },
];
