import { IconListCheck } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  {
    path: "/tasks",
    title: "Response management",
    load: () => import("./Tasks"),
    needs: "task.read",
    nav: { group: "Respond", icon: IconListCheck, key: "t" },
  },
  { path: "/tasks/$id", title: "Task", load: () => import("./Task"), needs: "task.read" },
];
