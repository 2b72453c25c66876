/// The one way to the server: typed by its OpenAPI document, refusals thrown as `ApiError`, requests that the server wants
/// confirmed sent again with the proof.

import createFetchClient from "openapi-fetch";
import createQueryClient from "openapi-react-query";

import { confirmRequest, HEADER as PROOF } from "./confirm";
import { look, meant } from "./page";
import { readProblem, unreachable } from "./problem";
import { signedOut } from "./query";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

let place = "console";

/** Says from which screen what follows is asked: `created_from` of tasks. */
export function setPlace(screen: string): void {
  place = screen === "" ? "console" : `console/${screen}`;
}

const ME = "/api/v1/me";

async function send(request: Request): Promise<Response> {
  request.headers.set("Quell-Client", place);
  for (const [name, value] of Object.entries(meant())) request.headers.set(name, value);
  const body = request.body === null ? "" : await request.clone().text();
  let response = await fetch(request.clone()).catch(() => {
    throw unreachable();
  });
  if (response.status === 403) {
    const problem = await readProblem(response);
    if (problem.code !== "step_up_needed") throw problem;
    const proof = await confirmRequest({ method: request.method, path: new URL(request.url).pathname, body }, problem);
    request.headers.set(PROOF, proof);
    // It took the person some time.
    meant();
    response = await fetch(request).catch(() => {
      throw unreachable();
    });
  }
  if (response.ok || response.status === 304) return response;
  const problem = look(await readProblem(response));
  if (problem.code === "unauthenticated" && !request.url.endsWith(ME)) signedOut();
  throw problem;
}

/** `await api.POST("/api/v1/tasks", { body })`: throws `ApiError` where the answer is not 2xx. */
export const api = createFetchClient<paths>({ baseUrl: window.location.origin, fetch: send });

/** `$api.useQuery("get", "/api/v1/me")` and the like. Keys are `[method, path, init]`. */
export const $api = createQueryClient(api);

/** What an answer carries; `ApiError` was thrown where it carries none. */
export async function data<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}
