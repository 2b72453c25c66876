/// The screens of the library.

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
  { path: "/library/new", title: "New script", load: () => import("./NewScript"), needs: "script.write" },
  { path: "/library/$name", title: "Script", load: () => import("./ScriptPage"), needs: "script.read" },
];
