/// Chosen rows as a file, inert in spreadsheets: the same rule as the server's own exports.

const FORMULA = /^[\s]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

/** A cell that no spreadsheet takes for a formula (OWASP, "CSV Injection"). */
export function cell(value: unknown): string {
  const text = Array.isArray(value) ? value.join(" ") : value === null || value === undefined ? "" : String(value);
  return `"${(FORMULA.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
}

export function csv<Row extends object>(rows: Row[], columns: (keyof Row & string)[]): string {
  return [columns.map(cell), ...rows.map((row) => columns.map((column) => cell(row[column])))]
    .map((line) => `${line.join(",")}\r\n`)
    .join("");
}

/** Hands `text` to the person as the file `name`. */
export function save(name: string, type: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  window.setTimeout(() => {
    URL.revokeObjectURL(address);
  }, 10_000);
}
