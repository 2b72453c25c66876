/// For whom this page was drawn: one person in one tenant. Another tab may change the session under it; then nothing more is
/// sent from here, since it would be done in the other tenant, or in the other's name.

import { useSyncExternalStore } from "react";

import { ApiError } from "./problem";

export const TENANT = "Quell-Tenant";

/** The server's word for a request that was meant for another tenant than the session stands for. */
const CHANGED = "tenant_changed";

export type Owner = { person: string; tenant: string };

let owner: Owner | undefined;
let isForeign = false;
const watchers = new Set<() => void>();
const leavers = new Set<() => void>();

const channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel("quell-session");
// A test that has read this is not kept from ending.
(channel as { unref?: () => void } | undefined)?.unref?.();

function become(foreign: boolean): void {
  if (isForeign === foreign) return;
  isForeign = foreign;
  for (const watcher of watchers) watcher();
}

function isOther(heard: Owner): boolean {
  return owner !== undefined && (owner.person !== heard.person || owner.tenant !== heard.tenant);
}

channel?.addEventListener("message", ({ data }: MessageEvent<Owner | null>) => {
  if (data === null) {
    for (const leaver of leavers) leaver();
  } else if (isOther(data)) {
    become(true);
  }
});

/** Takes in who the server says is signed in: the first time it is for them that the page is drawn, and other tabs hear it. */
export function know(now: Owner): void {
  if (owner === undefined) {
    owner = { person: now.person, tenant: now.tenant };
    channel?.postMessage(owner);
  } else if (isOther(now)) {
    become(true);
  }
}

/** Somebody signs in here: what is drawn next is for whom the server names next. */
export function forget(): void {
  owner = undefined;
  become(false);
}

/** Tells the other tabs that the session ended. */
export function tellLeft(): void {
  channel?.postMessage(null);
}

/** Calls when another tab ended the session; returns how to stop. */
export function onLeft(leaver: () => void): () => void {
  leavers.add(leaver);
  return () => {
    leavers.delete(leaver);
  };
}

/** Whether the session stands for somebody else, or elsewhere, than this page shows. */
export function useIsForeign(): boolean {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => isForeign,
  );
}

/** What a request carries of this; throws where nothing may be sent any more. */
export function meant(): Record<string, string> {
  if (isForeign) {
    throw new ApiError({
      type: "about:blank",
      status: 409,
      code: CHANGED,
      title: "The session stands for another tenant, or for somebody else",
      detail: "You went on in another tab; nothing was sent from here.",
      hint: "Reload this page.",
      request_id: "",
    });
  }
  return owner === undefined ? {} : { [TENANT]: owner.tenant };
}

/** Looks whether a refusal says that the session changed, and gives it back. */
export function look(error: ApiError): ApiError {
  if (error.code === CHANGED) become(true);
  return error;
}
