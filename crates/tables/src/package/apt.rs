//! `apt_sources`: where apt takes packages from, in both of its forms (sources.list(5)).

use std::path::PathBuf;

use crate::env::{Scan, under};
use crate::read;
use crate::table::{Row, Rows, Table, WITHIN, text};

pub(crate) static APT_SOURCES: Table = Table {
    name: "apt_sources",
    about: "Where apt takes packages from.",
    columns: &[
        text("name"),
        text("source"),
        text("base_uri"),
        text("release"),
        text("version"),
        text("maintainer"),
        text("components"),
        text("architectures"),
        WITHIN,
    ],
    rows,
};

const LIST: &str = "/etc/apt/sources.list";
const DIRECTORY: &str = "/etc/apt/sources.list.d";

struct Source {
    uri: String,
    release: String,
    components: String,
    architectures: String,
}

fn rows(scan: &Scan) -> Rows {
    let root = scan.root();
    let mut files = vec![PathBuf::from(LIST)];
    for path in read::directory(&under(&root, DIRECTORY.as_ref())) {
        files.push(PathBuf::from(DIRECTORY).join(read::name(&path)));
    }
    let mut rows: Vec<Row> = Vec::new();
    for file in files {
        let bytes = read::config(&scan.env, &under(&root, &file));
        let found = match file.extension().and_then(|ext| ext.to_str()) {
            Some("list") => read::settings(&bytes).filter_map(|line| one_line(&line)).collect(),
            Some("sources") => blocks(&String::from_utf8_lossy(&bytes)),
            _ => Vec::new(),
        };
        rows.extend(found.into_iter().map(|source| {
            let bare = source.uri.split_once("://").map_or(source.uri.as_str(), |(_, rest)| rest);
            scan.row()
                .set(
                    "name",
                    format!("{} {} {}", bare.trim_end_matches('/'), source.release, source.components),
                )
                .set("source", file.as_path())
                .set("base_uri", source.uri.as_str())
                .set("release", source.release.as_str())
                .set("version", "")
                .set("maintainer", "")
                .set("components", source.components.as_str())
                .set("architectures", source.architectures.as_str())
                .set("pid_with_namespace", scan.within())
        }));
    }
    Box::new(rows.into_iter())
}

/// `deb [arch=amd64 …] uri release component…`
fn one_line(line: &str) -> Option<Source> {
    let rest = line.split('#').next()?.trim().strip_prefix("deb ")?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_ascii_whitespace();
    let architectures = options.split_ascii_whitespace().find_map(|option| option.strip_prefix("arch="));
    Some(Source {
        uri: words.next()?.to_owned(),
        release: words.next()?.to_owned(),
        components: words.collect::<Vec<_>>().join(" "),
        architectures: architectures.unwrap_or_default().replace(',', " "),
    })
}

/// The form with one setting a line.
fn blocks(text: &str) -> Vec<Source> {
    let mut found = Vec::new();
    for block in text.split("\n\n") {
        let of = |key: &str| {
            let value = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            value.unwrap_or_default().trim().to_owned()
        };
        if of("Enabled") == "no" || !of("Types").split_ascii_whitespace().any(|kind| kind == "deb") {
            continue;
        }
        for uri in of("URIs").split_ascii_whitespace() {
            for release in of("Suites").split_ascii_whitespace() {
                found.push(Source {
                    uri: uri.to_owned(),
                    release: release.to_owned(),
                    components: of("Components"),
                    architectures: of("Architectures"),
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let line = one_line(
            "deb [arch=amd64,i386 signed-by=/k] https://deb.example/debian bookworm main contrib # x",
        );
        let source = line.map(|s| (s.uri, s.release, s.components, s.architectures));
        let own = ToOwned::to_owned;
        assert_eq!(
            source,
            Some((
                own("https://deb.example/debian"),
                own("bookworm"),
                own("main contrib"),
                own("amd64 i386")
            ))
        );
        assert!(one_line("deb-src https://x y z").is_none());
        let text = "Types: deb deb-src\nURIs: http://a http://b\nSuites: s t\nComponents: main\n\nTypes: deb\nEnabled: no\nURIs: c\nSuites: d\n";
        assert_eq!(blocks(text).len(), 4);
    }
}
