/// Confirmation by the person at the moment of acting: the server asks for it, a dialog asks the person, the request goes
/// out again with the proof. One dialog serves every request.

import { look, meant } from "./page";
import { asApiError, readProblem, type ApiError } from "./problem";
import { getCredential } from "./passkey";
import type { components } from "./schema";

export const HEADER = "Quell-Step-Up";

/** A request as the proof binds it. */
export type Confirmable = { method: string; path: string; body: string };

/** How the person confirms. */
export type Means = { password: string } | { totp: string } | "passkey";

/** What the dialog is asked to do; it calls `confirm` until that succeeds, or `cancel`. */
export type Question = {
  request: Confirmable;
  why: ApiError;
  confirm: (means: Means) => Promise<void>;
  cancel: () => void;
};

let ask: ((question: Question) => void) | undefined;

/** The dialog makes itself known; returns how it leaves. */
export function onQuestion(listener: (question: Question) => void): () => void {
  ask = listener;
  return () => {
    ask = undefined;
  };
}

async function digest(request: Confirmable): Promise<string> {
  const text = `${request.method} ${request.path}\n${request.body}`;
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function post<T>(path: string, body: unknown): Promise<T> {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...meant() },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw look(await readProblem(response));
  return (await response.json()) as T;
}

async function prove(request: Confirmable, means: Means): Promise<string> {
  const bound = await digest(request);
  type Proof = components["schemas"]["StepUpProof"];
  if (means !== "passkey") return (await post<Proof>("/api/v1/step-up", { ...means, request: bound })).proof;
  type Asked = components["schemas"]["PasskeyAsked"];
  const asked = await post<Asked>("/api/v1/step-up/passkey/begin", { request: bound });
  const credential = await getCredential(asked.options);
  const finish = { ceremony: asked.ceremony, credential };
  return (await post<Proof>("/api/v1/step-up/passkey/finish", finish)).proof;
}

/** Asks the person and gives the proof; throws `why` where they decline. */
export function confirmRequest(request: Confirmable, why: ApiError): Promise<string> {
  return new Promise((resolve, reject) => {
    if (ask === undefined) {
      reject(why);
      return;
    }
    ask({
      request,
      why,
      confirm: async (means) => {
        resolve(
          await prove(request, means).catch((error: unknown) => {
            throw asApiError(error);
          }),
        );
      },
      cancel: () => {
        reject(why);
      },
    });
  });
}
