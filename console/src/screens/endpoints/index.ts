import { IconDevices } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  {
    path: "/endpoints",
    title: "Endpoints",
    load: () => import("./Endpoints"),
    needs: "endpoint.read",
    nav: { group: "Respond", icon: IconDevices, key: "e" },
  },
];
