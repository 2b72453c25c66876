/// What a screen is. Each folder of `screens/` lists its own in `index.ts`; `screens.ts` lists the folders.

import type { Icon } from "@tabler/icons-react";
import type { FunctionComponent } from "react";

export type Group = "Respond" | "Evidence" | "Settings";

export type Screen = {
  /** `/tasks/$id`; parameters by `useParams({ strict: false })`. */
  path: string;
  title: string;
  /** Read when it is first shown. */
  load: () => Promise<{ default: FunctionComponent }>;
  /** In the navigation, under which heading, with the second key of `g` and a letter; `badge` is drawn beside it. */
  nav?: { group: Group; icon: Icon; key?: string; badge?: FunctionComponent };
  /** The permissions without which it shows nothing; its entry says so. */
  needs?: string | readonly string[];
  /** Drawn without the frame, for who is not signed in. */
  isPublic?: boolean;
};
