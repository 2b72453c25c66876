/// What the server refuses, in the one shape that it has everywhere.

import type { components } from "./schema";

export type Problem = components["schemas"]["Problem"];

/** A refusal or a failure to reach the server; every screen shows it the same way. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
  }

  get code(): string {
    return this.problem.code;
  }

  get status(): number {
    return this.problem.status;
  }

  /** What is wrong with one field, by its dotted path, `params.path`. */
  field(path: string): string | undefined {
    return this.problem.fields?.find((field) => field.field === path)?.problem;
  }
}

function local(code: string, title: string, detail: string, hint: string): Problem {
  return { type: "about:blank", status: 0, code, title, detail, hint, request_id: "" };
}

/** The server was not reached. */
export function unreachable(): ApiError {
  return new ApiError(
    local(
      "unreachable",
      "The server did not answer",
      "No answer came from the server.",
      "Look at your network and at the server; what was sent may have arrived, so look before you repeat it.",
    ),
  );
}

/** The error that an answer other than 2xx stands for. */
export async function readProblem(response: Response): Promise<ApiError> {
  const request_id = response.headers.get("x-request-id") ?? "";
  try {
    const body: unknown = await response.clone().json();
    if (typeof body === "object" && body !== null && "code" in body) return new ApiError(body as Problem);
  } catch {
    // Not JSON: a proxy in between answered.
  }
  return new ApiError({
    ...local("unexpected", "An unexpected answer", `The server answered ${String(response.status)}.`, "Try again."),
    status: response.status,
    request_id,
  });
}

/** Any thrown thing as the one shape. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof TypeError) return unreachable();
  const detail = error instanceof Error ? error.message : String(error);
  return new ApiError(local("console", "The console failed", detail, "Reload the page, and tell us of it."));
}
