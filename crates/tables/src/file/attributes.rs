//! `extended_attributes`.

use base64::Engine as _;
use rustix::fs::{lgetxattr, llistxattr};

use crate::env::{Scan, under};
use crate::table::{Rows, Table, int, text};

use super::find::files;

pub(crate) static EXTENDED: Table = Table {
    name: "extended_attributes",
    about: "Extended attributes of files: labels, access lists, capabilities, marks.",
    columns: &[
        text("path").required(),
        text("directory").required(),
        text("key"),
        text("value"),
        int("base64"),
    ],
    rows,
};

/// The kernel allows no more. Bytes.
const MOST: usize = 64 << 10;

fn rows(scan: &Scan) -> Rows {
    let found = files(scan);
    let scan = scan.clone();
    Box::new(found.flat_map(move |found| {
        let path = under(&scan.host("/"), &found.path);
        let mut names = vec![0_u8; MOST];
        let length = llistxattr(&path, names.as_mut_slice()).unwrap_or(0);
        names.truncate(length);
        let mut rows = Vec::new();
        for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let mut value = vec![0_u8; MOST];
            let Ok(length) = lgetxattr(&path, name, value.as_mut_slice()) else { continue };
            value.truncate(length);
            let plain = value.strip_suffix(&[0]).unwrap_or(&value);
            let text = std::str::from_utf8(plain).ok().filter(|text| !text.chars().any(char::is_control));
            let is_encoded = text.is_none();
            let shown = text
                .map_or_else(|| base64::engine::general_purpose::STANDARD.encode(&value), ToOwned::to_owned);
            rows.push(
                scan.row()
                    .set("path", found.path.as_path())
                    .set("directory", found.directory.as_str())
                    .set("key", name)
                    .set("value", shown)
                    .set("base64", is_encoded),
            );
        }
        rows
    }))
}
