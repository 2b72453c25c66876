/// The block list: what is listed, who enforces it, what is never blocked, and files looked at before they are listed.

import { IconBan } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  {
    path: "/blocklist",
    title: "Block list",
    load: () => import("./BlockList"),
    needs: "blocklist.read",
    nav: { group: "Respond", icon: IconBan, key: "b" },
  },
];
