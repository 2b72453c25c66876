/// One's own account.

import type { Screen } from "../../app/screen";

export const screens: Screen[] = [{ path: "/profile", title: "You", load: () => import("./Profile") }];
