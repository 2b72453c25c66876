/// Where somebody goes once they are signed in: a path of this console, whatever the address says.

/** Characters of the longest one. The server takes no longer one either. */
const MOST = 512;

/** `text` if it is a path here however a browser reads it; `/` otherwise. */
export function ownPath(text: string | undefined): string {
  if (text === undefined || text.length > MOST || !text.startsWith("/") || text.startsWith("//")) return "/";
  // A backslash is a slash to browsers, and controls are left out by them.
  if (!/^[!-~]*$/.test(text) || /[\\"'<>;]/.test(text)) return "/";
  try {
    const url = new URL(text, "https://here.invalid");
    if (url.origin !== "https://here.invalid") return "/";
  } catch {
    return "/";
  }
  // Back to here it would go round.
  return /^\/(sign-in|setup|welcome)([/?#]|$)/.test(text) ? "/" : text;
}
