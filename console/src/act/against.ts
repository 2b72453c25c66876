/// What the server has against a request that is being put together; pure, so that it can be tried in a test.

import { asApiError } from "../api/problem";

/** One sentence for each field, by the name that it has in the form; of the whole where no field is named. */
export function against(error: unknown): string[] {
  const { detail, fields } = asApiError(error).problem;
  if (fields === undefined || fields === null || fields.length === 0) return [detail];
  return fields.map(({ field, problem }) => {
    const name = field.replace(/^params\.?/, "");
    return name === "" || name === "." ? problem : `${name}: ${problem}`;
  });
}
