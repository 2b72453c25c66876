/// Answers with the tag of what they tell, so that a change of it can say what it was made on (`If-Match`).

/** What was read, and its tag. */
export type Tagged<T> = { data: T; tag: string };

/** Takes the tag out of an answer. A proxy that compresses calls it weak; it names what is stored, not these bytes. */
export async function tagged<T>(answer: Promise<{ data?: T; response: Response }>): Promise<Tagged<T>> {
  const { data, response } = await answer;
  return { data: data as T, tag: response.headers.get("etag")?.replace(/^W\//, "") ?? "*" };
}
