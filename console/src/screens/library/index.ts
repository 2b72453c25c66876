/// The screens of the library.

import { IconBooks } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  {
    path: "/library",
    title: "Library",
    load: () => import("./Library"),
    needs: "library.read",
    nav: { group: "Evidence", icon: IconBooks, key: "l" },
  },
  { path: "/library/new", title: "Add to the library", load: () => import("./NewVersion"), needs: "library.write" },
  { path: "/library/$kind/$name", title: "Library", load: () => import("./ItemPage"), needs: "library.read" },
];
