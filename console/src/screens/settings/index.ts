import { IconUsers } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  {
    path: "/settings/people",
    title: "People",
    load: () => import("./People"),
    needs: "person.read",
    nav: { group: "Settings", icon: IconUsers },
  },
];
