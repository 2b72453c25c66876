/// Lists of endpoints as files: read and written so that a spreadsheet can do no harm with them.

/** A cell: quoted where it must be, and inert in spreadsheets (a formula begins with one of these). */
function cell(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) || harmless !== text ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

export type Listed = { id: string; name: string; written: string };

/** A file that can be imported again: ids count, names are for people. */
export function listAsCsv(endpoints: Listed[]): string {
  const lines = endpoints.map((endpoint) => [endpoint.id, endpoint.name, endpoint.written].map(cell).join(","));
  return ["id,name,written", ...lines, ""].join("\r\n");
}

/** Ids alone, as the server takes them. */
export function idsAsCsv(ids: string[]): string {
  return ["id", ...ids, ""].join("\n");
}

/** What an empty file looks like. */
export const TEMPLATE =
  "endpoint,comment\r\nweb-1,a name that one active endpoint has\r\n0193a5b2-0000-7000-8000-000000000000,or an id\r\n";

/** Hands a file to the browser. */
export function saveAs(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
