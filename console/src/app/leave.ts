/// The way out.

import { leave } from "./session";

/** Ends the session; nothing of it stays on the screen. */
export function useLeave(): () => Promise<void> {
  return leave;
}
