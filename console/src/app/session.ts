/// Changes of the session: to another tenant, and the way out. Both begin a new page, so that nothing of the one before stays.

import { api } from "../api/client";
import { tellLeft } from "../api/page";
import { asApiError } from "../api/problem";
import { tell } from "../ui/tell";

/** Goes on in another tenant. */
export async function changeTenant(tenant: string): Promise<void> {
  try {
    await api.POST("/api/v1/session/tenant", { body: { tenant } });
  } catch (error) {
    tell(error);
    return;
  }
  window.location.assign("/");
}

/** Ends the session; one that had ended already is left as well. */
export async function leave(): Promise<void> {
  try {
    await api.DELETE("/api/v1/session");
  } catch (error) {
    if (asApiError(error).status !== 401) {
      tell(error);
      return;
    }
  }
  tellLeft();
  window.location.assign("/sign-in");
}
