/// Response plans: ordered tasks under one approval.

import type { Screen } from "../../app/screen";

export const screens: Screen[] = [
  { path: "/response-plans/$id", title: "Response plan", load: () => import("./Plan"), needs: "task.read" },
];
