import { IconUserQuestion } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  {
    path: "/approvals",
    title: "Approvals",
    load: () => import("./Approvals"),
    needs: "approval.read",
    nav: { group: "Respond", icon: IconUserQuestion, key: "p" },
  },
];
