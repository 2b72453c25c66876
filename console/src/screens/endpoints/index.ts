/// The screens of endpoints.

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
  { path: "/endpoints/tokens", title: "Enrolment tokens", load: () => import("./Tokens"), needs: "token.read" },
  { path: "/endpoints/$id", title: "Endpoint", load: () => import("./page/EndpointPage"), needs: "endpoint.read" },
];
