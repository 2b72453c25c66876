import { IconUrgent, IconShieldCheck, IconUserQuestion } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";
import { Waiting } from "./Waiting";

export const screens: Screen[] = [
  {
    path: "/approvals",
    title: "Approvals",
    load: () => import("./Approvals"),
    needs: "approval.read",
    nav: { group: "Respond", icon: IconUserQuestion, key: "p", badge: Waiting },
  },
  { path: "/approvals/$task", title: "Request for approval", load: () => import("./Request"), needs: "approval.read" },
  {
    path: "/approvals/break-glass",
    title: "Break-glass",
    load: () => import("./glass/BreakGlass"),
    needs: "approval.read",
    nav: { group: "Respond", icon: IconUrgent, key: "g" },
  },
  {
    path: "/settings/approvals",
    title: "Approval settings",
    load: () => import("./settings/ApprovalSettings"),
    needs: "policy.read",
    nav: { group: "Settings", icon: IconShieldCheck },
  },
];
