//! `hash`.

use std::io::Read;
use std::path::Path;

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

use crate::env::{Env, Scan, under};
use crate::read;
use crate::table::{Rows, Table, WITHIN, text};

use super::find::files;

pub(crate) static HASH: Table = Table {
    name: "hash",
    about: "Digests of files' content.",
    columns: &[
        text("path").required(),
        text("directory").required(),
        text("md5"),
        text("sha1"),
        text("sha256"),
        WITHIN,
        text("mount_namespace_id").hidden(),
    ],
    rows,
};

/// A larger file is not read. Bytes: 4 GiB.
const LARGEST: u64 = 4 << 30;
/// Read at once. Bytes.
const PIECE: usize = 256 << 10;

/// Which digests are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub md5: bool,
    pub sha1: bool,
    pub sha256: bool,
}

/// Digests in hex, as far as they were wanted.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Digests {
    pub md5: Option<String>,
    pub sha1: Option<String>,
    pub sha256: Option<String>,
}

fn rows(scan: &Scan) -> Rows {
    let found = files(scan);
    let scan = scan.clone();
    let root = scan.root();
    let wanted = Wanted { md5: scan.wants("md5"), sha1: scan.wants("sha1"), sha256: scan.wants("sha256") };
    Box::new(found.filter_map(move |found| {
        let digests = digests(&scan.env, &under(&root, &found.path), wanted)?;
        Some(
            scan.row()
                .set("path", found.path.as_path())
                .set("directory", found.directory.as_str())
                .set("md5", digests.md5)
                .set("sha1", digests.sha1)
                .set("sha256", digests.sha256)
                .set("pid_with_namespace", scan.within())
                .set("mount_namespace_id", ""),
        )
    }))
}

/// `None` where it is no regular file, or cannot be read, which is counted.
pub(crate) fn digests(env: &Env, path: &Path, wanted: Wanted) -> Option<Digests> {
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    match read_all(env, path, wanted) {
        Ok(digests) => Some(digests),
        Err(error) => {
            env.trouble(&format!("{}: {error}", path.display()));
            None
        }
    }
}

fn read_all(env: &Env, path: &Path, wanted: Wanted) -> std::io::Result<Digests> {
    let file = read::open(path)?;
    if file.metadata()?.len() > LARGEST {
        return Err(std::io::Error::other("larger than 4 GiB"));
    }
    let mut file = file.take(LARGEST);
    let mut md5 = wanted.md5.then(Md5::new);
    let mut sha1 = wanted.sha1.then(Sha1::new);
    let mut sha256 = wanted.sha256.then(Sha256::new);
    let mut piece = vec![0; PIECE];
    loop {
        let got = file.read(&mut piece)?;
        if got == 0 {
            break;
        }
        if env.stop.is_due() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        let bytes = &piece[..got];
        if let Some(digest) = &mut md5 {
            digest.update(bytes);
        }
        if let Some(digest) = &mut sha1 {
            digest.update(bytes);
        }
        if let Some(digest) = &mut sha256 {
            digest.update(bytes);
        }
    }
    Ok(Digests {
        md5: md5.map(|digest| quell_host::hex(&digest.finalize())),
        sha1: sha1.map(|digest| quell_host::hex(&digest.finalize())),
        sha256: sha256.map(|digest| quell_host::hex(&digest.finalize())),
    })
}
