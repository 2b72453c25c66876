import { IconBooks } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  {
    path: "/library",
    title: "Library",
    load: () => import("./Scripts"),
    needs: "script.read",
    nav: { group: "Evidence", icon: IconBooks, key: "l" },
  },
];
