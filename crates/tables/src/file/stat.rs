//! `file`.

use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use crate::env::{Scan, under};
use crate::read;
use crate::table::{Row, Rows, Table, WITHIN, big, int, text};

use super::find::{Found, files};

pub(crate) static FILE: Table = Table {
    name: "file",
    about: "Files and their attributes.",
    columns: &[
        text("path").required(),
        text("directory").required(),
        text("filename"),
        big("inode"),
        big("uid"),
        big("gid"),
        text("mode"),
        big("device"),
        big("size"),
        int("block_size"),
        big("atime"),
        big("mtime"),
        big("ctime"),
        big("btime"),
        big("hard_links"),
        int("symlink"),
        text("type"),
        text("symlink_target_path"),
        WITHIN,
        text("mount_namespace_id").hidden(),
    ],
    rows,
};

fn rows(scan: &Scan) -> Rows {
    let found = files(scan);
    let scan = scan.clone();
    let root = scan.root();
    Box::new(found.filter_map(move |found| row(&scan, &root, &found)))
}

/// Of the file that a link leads to, as osquery does; of the link itself where it leads nowhere.
fn row(scan: &Scan, root: &Path, found: &Found) -> Option<Row> {
    let path = under(root, &found.path);
    let link = std::fs::symlink_metadata(&path).ok()?.is_symlink();
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    // No automount is started, and no remote file system asked for news, by looking.
    let look = |flags| statx(CWD, &path, flags | AtFlags::NO_AUTOMOUNT, wanted);
    let facts = look(AtFlags::empty()).or_else(|_| look(AtFlags::SYMLINK_NOFOLLOW)).ok()?;
    let mode = u32::from(facts.stx_mode);
    Some(
        scan.row()
            .set("path", found.path.as_path())
            .set("directory", found.directory.as_str())
            .set("filename", read::name(&found.path))
            .set("inode", facts.stx_ino)
            .set("uid", facts.stx_uid)
            .set("gid", facts.stx_gid)
            .set("mode", format!("{:04o}", mode & 0o7777))
            .set("device", rustix::fs::makedev(facts.stx_rdev_major, facts.stx_rdev_minor))
            .set("size", facts.stx_size)
            .set("block_size", facts.stx_blksize)
            .set("atime", facts.stx_atime.tv_sec)
            .set("mtime", facts.stx_mtime.tv_sec)
            .set("ctime", facts.stx_ctime.tv_sec)
            .set(
                "btime",
                if facts.stx_mask & StatxFlags::BTIME.bits() == 0 { 0 } else { facts.stx_btime.tv_sec },
            )
            .set("hard_links", facts.stx_nlink)
            .set("symlink", link)
            .set("type", kind(mode))
            .set(
                "symlink_target_path",
                if link { read::link(&path).unwrap_or_default() } else { String::new() },
            )
            .set("pid_with_namespace", scan.within())
            .set("mount_namespace_id", ""),
    )
}

/// As osquery names it.
fn kind(mode: u32) -> &'static str {
    match mode & 0o17_0000 {
        0o10_0000 => "regular",
        0o04_0000 => "directory",
        0o12_0000 => "symlink",
        0o06_0000 => "block",
        0o02_0000 => "character",
        0o01_0000 => "fifo",
        0o14_0000 => "socket",
        _ => "unknown",
    }
}
