//! `rpm_packages`, from rpm's database.

use std::ops::ControlFlow;

use crate::env::Scan;
use crate::rpmdb::{self, Database, Header};
use crate::table::{Row, Rows, Table, WITHIN, big, int, text};

pub(crate) static RPM_PACKAGES: Table = Table {
    name: "rpm_packages",
    about: "Packages that rpm installed, from its SQLite database (rpm 4.16 and later).",
    columns: &[
        text("name"),
        text("version"),
        text("release"),
        text("source"),
        big("size"),
        text("sha1"),
        text("arch"),
        int("epoch"),
        int("install_time"),
        text("vendor"),
        text("package_group"),
        WITHIN,
        text("mount_namespace_id").hidden(),
    ],
    rows,
};

fn rows(scan: &Scan) -> Rows {
    let mut rows = Vec::new();
    if let Some(path) = rpmdb::find(&scan.root()) {
        let stop = scan.env.stop.clone();
        let read = Database::open(&path, move || stop.is_due()).and_then(|database| {
            database.each(|_, header| {
                rows.extend(package(scan, header));
                ControlFlow::Continue(())
            })
        });
        if let Err(error) = read {
            scan.env.trouble(&format!("{}: {error}", path.display()));
        }
    }
    Box::new(rows.into_iter())
}

/// Tags of rpm's format.
fn package(scan: &Scan, header: &Header<'_>) -> Option<Row> {
    let text = |tag| header.text(tag).unwrap_or_default();
    Some(
        scan.row()
            .set("name", header.name()?)
            .set("version", text(1001))
            .set("release", text(1002))
            .set("source", text(1044))
            .set("size", header.number(5009).or_else(|| header.number(1009)).unwrap_or(0))
            .set("sha1", text(269))
            .set("arch", text(1022))
            .set("epoch", header.number(1003).unwrap_or(0))
            .set("install_time", header.number(1008).unwrap_or(0))
            .set("vendor", text(1011))
            .set("package_group", text(1016))
            .set("pid_with_namespace", scan.within())
            .set("mount_namespace_id", ""),
    )
}
