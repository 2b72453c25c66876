/// Every screen, in the order of the navigation. A new one is a folder and a line here.

import type { Screen } from "./screen";
import { screens as approvals } from "../screens/approvals";
import { screens as artifacts } from "../screens/artifacts";
import { screens as audit } from "../screens/audit";
import { screens as blocklist } from "../screens/blocklist";
import { screens as endpoints } from "../screens/endpoints";
import { screens as events } from "../screens/events";
import { screens as incidents } from "../screens/incidents";
import { screens as library } from "../screens/library";
import { screens as overview } from "../screens/overview";
import { screens as profile } from "../screens/profile";
import { screens as responsePlans } from "../screens/response-plans";
import { screens as settings } from "../screens/settings";
import { screens as shells } from "../screens/shells";
import { screens as signIn } from "../screens/sign-in";
import { screens as tasks } from "../screens/tasks";

export const screens: Screen[] = [
  ...overview,
  ...incidents,
  ...events,
  ...responsePlans,
  ...tasks,
  ...approvals,
  ...endpoints,
  ...shells,
  ...blocklist,
  ...library,
  ...artifacts,
  ...audit,
  ...settings,
  ...profile,
  ...signIn,
];
