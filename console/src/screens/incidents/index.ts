/// The screens of incidents.

import { IconBug } from "@tabler/icons-react";
import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  {
    path: "/incidents",
    title: "Incidents",
    load: () => import("./Incidents"),
    needs: "incident.read",
    nav: { group: "Respond", icon: IconBug, key: "i" },
  },
  { path: "/incidents/$id", title: "Incident", load: () => import("./page/IncidentPage"), needs: "incident.read" },
  { path: "/incidents/$id/cut", title: "Cut the chain", load: () => import("./cut/Cut"), needs: "incident.read" },
];
