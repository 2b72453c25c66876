//! Lists for spreadsheets (RFC 4180): the columns of the table, whole, in cells that no spreadsheet runs.

use serde_json::Value;

use crate::output::table::Column;
use crate::output::text;

/// The lines, the headings first, without a final line end.
pub fn render(items: &[Value], columns: &[Column]) -> String {
    let headings: Vec<String> = columns.iter().map(|column| column.heading.to_owned()).collect();
    let row = |item: &Value| columns.iter().map(|column| (column.cell)(item)).collect();
    lines(&headings, &items.iter().map(row).collect::<Vec<_>>())
}

/// The same of rows whose columns are not known beforehand.
pub fn lines(headings: &[String], rows: &[Vec<String>]) -> String {
    let line =
        |cells: &[String]| cells.iter().map(|text| cell(&text::visible(text))).collect::<Vec<_>>().join(",");
    let rows = rows.iter().map(|row| line(row));
    [line(headings)].into_iter().chain(rows).collect::<Vec<_>>().join("\r\n")
}

/// A quoted cell, with an apostrophe before what begins a formula (OWASP, "CSV Injection").
fn cell(text: &str) -> String {
    let begins = text.trim_start_matches([' ', '"', '\'']);
    let is_formula = begins.starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    format!("\"{}{}\"", if is_formula { "'" } else { "" }, text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::field;
    use serde_json::json;

    #[test]
    fn a_cell_is_text_wherever_it_is_opened() {
        let columns = [
            Column { heading: "NAME", cell: |item| field(item, "/name") },
            Column { heading: "REASON", cell: |item| field(item, "/reason") },
        ];
        let items = [
            json!({"name": "web-1", "reason": "say \"hi\", twice"}),
            json!({"name": "\u{1b}[2J\n", "reason": "=cmd|' /C calc'!A0"}),
            json!({"name": " @SUM(A1)", "reason": null}),
        ];
        let expected = [
            r#""NAME","REASON""#,
            r#""web-1","say ""hi"", twice""#,
            r#""\u{1b}[2J\n","'=cmd|' /C calc'!A0""#,
            r#""' @SUM(A1)","""#,
        ];
        assert_eq!(render(&items, &columns), expected.join("\r\n"));
    }
}
