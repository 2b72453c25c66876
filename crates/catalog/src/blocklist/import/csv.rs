//! Lines and CSV. A field may be quoted (RFC 4180); a quoted field does not go over the end of its line.

use super::{Action, Entry, Format, Imported, Kind, LINE, RiskLevel, Unfit, Value};
use crate::blocklist::MAX_DAYS;

/// Columns that one line has at most.
const COLUMNS: usize = 64;
/// Bytes of a note.
const NOTE: usize = 500;

/// Where the columns stand that mean something here.
#[derive(Default)]
struct Columns {
    value: usize,
    kind: Option<usize>,
    action: Option<usize>,
    risk: Option<usize>,
    days: Option<usize>,
    note: Option<usize>,
}

impl Columns {
    /// Reads a header; `None` where the line is none.
    fn of(line: &str, separator: char) -> Option<Self> {
        let names: Vec<String> =
            split(line, separator)?.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        let find = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        Some(Self {
            value: find(&["value", "indicator", "ioc", "object", "indicator_value"])?,
            kind: find(&["kind", "type", "indicator_type", "object_type"]),
            action: find(&["action", "scan_action", "scanaction"]),
            risk: find(&["risk", "risk_level", "risklevel", "severity"]),
            days: find(&["expires_in_days", "daystoexpiration", "days"]),
            note: find(&["note", "description", "comment"]),
        })
    }
}

pub(super) fn read(text: &str, in_time: &dyn Fn() -> bool) -> Result<Imported, Unfit> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index as u64 + 1, line)).peekable();
    while lines.next_if(|(_, line)| is_remark(line)).is_some() {}
    let header = lines.peek().filter(|(_, line)| line.len() <= LINE).and_then(|(_, line)| {
        [',', ';', '\t'].into_iter().find_map(|mark| Columns::of(line, mark).map(|columns| (mark, columns)))
    });
    let Some((separator, columns)) = header else {
        let mut imported = Imported::new(Format::Lines);
        for (number, line) in lines.filter(|(_, line)| !is_remark(line)) {
            take_line(&mut imported, number, line);
            imported.goes_on(in_time)?;
        }
        return Ok(imported);
    };
    let mut imported = Imported::new(Format::Csv);
    for (number, line) in lines.skip(1).filter(|(_, line)| !is_remark(line)) {
        if let Err(problem) = take_row(&mut imported, line, separator, &columns) {
            imported.miss(number, line, problem);
        }
        imported.goes_on(in_time)?;
    }
    Ok(imported)
}

fn is_remark(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

fn take_line(imported: &mut Imported, number: u64, line: &str) {
    if line.len() > LINE {
        return imported.miss(number, line, "the line is too long");
    }
    // A URL may hold a `#`: a remark begins behind a blank.
    let value = line.split_once(" #").map_or(line, |(value, _)| value);
    let read = Value::parse(None, value).and_then(|value| imported.add(plain(value)));
    if let Err(unfit) = read {
        imported.miss(number, line, unfit.0);
    }
}

pub(super) fn plain(value: Value) -> Entry {
    Entry {
        value,
        action: None,
        risk: None,
        expires_in_days: None,
        valid_from_us: None,
        valid_until_us: None,
        note: None,
    }
}

fn take_row(imported: &mut Imported, line: &str, separator: char, columns: &Columns) -> Result<(), String> {
    if line.len() > LINE {
        return Err("the line is too long".to_owned());
    }
    let fields = split(line, separator).ok_or("a quote is not closed, or there are too many columns")?;
    let field = |place: Option<usize>| {
        place.and_then(|place| fields.get(place)).map(|text| text.trim()).filter(|text| !text.is_empty())
    };
    let value = field(Some(columns.value)).ok_or("there is no value")?;
    let kind = field(columns.kind)
        .map(|name| kind(name).ok_or_else(|| format!("there is no kind {name:?}")))
        .transpose()?;
    let action = field(columns.action)
        .map(|name| Action::parse(&name.to_ascii_lowercase()).ok_or("the action is block or log"))
        .transpose()?;
    let risk = field(columns.risk)
        .map(|name| RiskLevel::parse(&name.to_ascii_lowercase()).ok_or("the risk is low, medium or high"))
        .transpose()?;
    let days = field(columns.days)
        .map(|days| days.parse::<u32>().ok().filter(|days| *days <= MAX_DAYS).ok_or("the days are 0 to 3650"))
        .transpose()?;
    let note = field(columns.note).map(bounded);
    let value = Value::parse(kind, value).map_err(|unfit| unfit.0)?;
    let entry = Entry { action, risk, expires_in_days: days, note, ..plain(value) };
    imported.add(entry).map_err(|unfit| unfit.0)
}

/// A note without what could steer a terminal, cut where it is too long.
pub(super) fn bounded(note: &str) -> String {
    let mut out = String::new();
    for c in note.chars() {
        let c = if crate::is_clean_text(c.encode_utf8(&mut [0; 4])) { c } else { ' ' };
        if out.len() + c.len_utf8() > NOTE {
            break;
        }
        out.push(c);
    }
    out
}

/// What others call the kinds.
fn kind(name: &str) -> Option<Kind> {
    let name = name.to_ascii_lowercase().replace(['-', '_', ' '], "");
    Some(match name.as_str() {
        "sha1" | "filesha1" | "filehashsha1" => Kind::Sha1,
        "sha256" | "filesha256" | "filehashsha256" => Kind::Sha256,
        "ip" | "ipv4" | "ipv6" | "cidr" | "ipdst" | "ipsrc" | "ipaddress" | "network" => Kind::Ip,
        "domain" | "hostname" | "fqdn" | "domainname" => Kind::Domain,
        "url" | "uri" => Kind::Url,
        "sender" | "email" | "emailsrc" | "sendermailaddress" | "emailaddress" => Kind::Sender,
        _ => return None,
    })
}

/// The fields of a line; `None` where a quote is not closed.
fn split(line: &str, separator: char) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut chars = line.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = chars.next() {
        let field = fields.last_mut()?;
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if field.trim().is_empty() => {
                field.clear();
                is_quoted = true;
            }
            c if c == separator && !is_quoted => {
                if fields.len() >= COLUMNS {
                    return None;
                }
                fields.push(String::new());
            }
            c => field.push(c),
        }
    }
    (!is_quoted).then_some(fields)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::{MAX_PROBLEMS, read};
    use super::*;

    #[test]
    fn lines_and_remarks() {
        let file = b"# feed\nevil[.]example\n\n192.0.2.7 # scanner\nnot a thing\nevil.example\nhxxp://x.example/#a\r\n0.0.0.0/0\n";
        let imported = read(file).unwrap();
        assert_eq!(imported.format, Format::Lines);
        let shown: Vec<String> = imported.entries.iter().map(|entry| entry.value.to_string()).collect();
        assert_eq!(shown, ["evil.example", "192.0.2.7", "http://x.example/"]);
        let lines: Vec<u64> = imported.problems.iter().map(|problem| problem.line).collect();
        assert_eq!((lines, imported.duplicates, imported.problem_count), (vec![5, 8], 1, 2));
    }

    #[test]
    fn columns_by_their_names() {
        let file = "Type;Value;Risk;Days;Comment\nipv4;192.0.2.7;High;7;\"a;\"\"b\"\"\"\nsha1;00;low;1;\n;\"x.example\";;;\nurl;http://a.example;hot;1;\ndomain;\"open;1;2\n";
        let imported = read(file.as_bytes()).unwrap();
        assert_eq!(imported.format, Format::Csv);
        let first = &imported.entries[0];
        assert_eq!(first.value.to_string(), "192.0.2.7");
        assert_eq!((first.risk, first.expires_in_days), (Some(RiskLevel::High), Some(7)));
        assert_eq!(first.note.as_deref(), Some("a;\"b\""));
        assert_eq!(imported.entries[1].value.to_string(), "x.example");
        let lines: Vec<u64> = imported.problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [3, 5, 6]);
    }

    #[test]
    fn a_hostile_file_is_bounded() {
        assert!(read(b"a.example\n\xff").unwrap_err().0.contains("line 2"));
        let long = format!("value\n{}\n{}", "x".repeat(1 << 20), ",".repeat(1000));
        assert_eq!(read(long.as_bytes()).unwrap().problem_count, 2);
        let many = "bad value\n".repeat(10_000);
        let imported = read(many.as_bytes()).unwrap();
        assert_eq!((imported.problems.len(), imported.problem_count), (MAX_PROBLEMS, 10_000));
        let steering = read("\u{1b}[31mred\u{202e}.example\n".as_bytes()).unwrap();
        assert!(crate::is_clean_text(&steering.problems[0].text));
    }

    #[test]
    fn a_list_that_is_too_long_is_refused_with_its_numbers() {
        let line = |n: u32| format!("n{n}.example\n");
        let lines = |count: u32| (0..count).map(line).collect::<Vec<_>>().concat();
        assert_eq!(read(lines(100_000).as_bytes()).unwrap().too_long(), None);
        let read = read(format!("{}n1.example\n", lines(100_002)).as_bytes()).unwrap();
        assert_eq!((read.entries.len(), read.left_out, read.duplicates), (100_000, 2, 1));
        assert!(read.too_long().is_some_and(|unfit| unfit.0.contains("100002 objects")));
    }
}
