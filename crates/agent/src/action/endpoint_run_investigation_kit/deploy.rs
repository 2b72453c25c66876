//! A kit's way onto the disk and away from it again.

use std::fs;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use quell_host::{process, tree};
use quell_kit::{Entry, Kit};

use super::Deployment;
use super::diary::Diary;
use crate::action::archive::disk_full;
use crate::action::{leftovers, thread};
use crate::identity::Identity;
use crate::runner::{Ending, chain};
use crate::transfer::{free, is_full};

/// Free space that is left to others. Bytes.
const SPARE: u64 = 96 << 20;
/// Within the order's directory: the kit, and what its steps found.
const KIT: &str = "kit";
pub(super) const FOUND: &str = "found";

/// Where the kit is unpacked.
pub(super) fn place(work: &Path) -> PathBuf {
    work.join(KIT)
}

/// The archive within a kit whose signature holds, and who says that its key may sign one: the root that this endpoint
/// pinned, where it pinned one, else the order.
pub(super) fn checked(
    identity: &Identity,
    bytes: &[u8],
    signer: &[u8],
) -> Result<(Vec<u8>, &'static str), Ending> {
    let signed = quell_kit::open(bytes).map_err(|error| Ending::refused(error.code(), error.to_string()))?;
    if !signed.is_by(signer) {
        return Err(Ending::refused(
            "kit_signature",
            "the kit does not bear the signature of the key that the order names; nothing was unpacked",
        ));
    }
    let trusted_by = match identity.approvers() {
        Some(pinned) if pinned.signs_kits(signer) => "root",
        Some(_) => {
            return Err(Ending::refused(
                "kit_signer_untrusted",
                "the tenant's root of trust, which this endpoint pinned, does not name the key that signed the kit \
                 (`quell trust kit-key`); nothing was unpacked",
            ));
        }
        None => "order",
    };
    Ok((signed.payload.to_vec(), trusted_by))
}

impl Deployment<'_> {
    /// Unpacks the kit. What an interrupted try left is removed first: none of its steps had begun.
    pub(super) async fn deploy(&self, kit: &Kit) -> Result<Diary, Ending> {
        let unpacked: u64 = kit.files.values().map(|file| file.size).sum();
        let (work, payload) = (self.work.clone(), self.payload.clone());
        let tools: Vec<_> = kit.tools().cloned().collect();
        let work_on = move |_: &AtomicU64| -> Result<Diary, Ending> {
            let unwritten = |error: io::Error| {
                if is_full(&error) { disk_full(0) } else { Ending::failed("kit_not_unpacked", chain(&error)) }
            };
            remove(&work).map_err(unwritten)?;
            if free(&work).is_some_and(|free| free < unpacked + SPARE) {
                return Err(Ending::refused(
                    "disk_full",
                    format!(
                        "the kit unpacks to {unpacked} bytes, and the endpoint's disk has too little room for that"
                    ),
                ));
            }
            let root = place(&work);
            directory(&root).and_then(|()| directory(&work.join(FOUND))).map_err(unwritten)?;
            let mut failed = None;
            quell_kit::each(&payload, |entry: &Entry, content: &mut dyn Read| {
                let mode = if tools.contains(&entry.name) { 0o700 } else { 0o600 };
                if let Err(error) = unpack(&root, entry, content, mode) {
                    let words = error.to_string();
                    failed = Some(error);
                    return Err(quell_kit::Error::Archive(words));
                }
                Ok(())
            })
            .map_err(|error| match failed {
                Some(failed) => unwritten(failed),
                None => Ending::refused(error.code(), error.to_string()),
            })?;
            Diary::begin(&work).map_err(unwritten)
        };
        thread::run(work_on, |_| self.job.progress(0, 0, "unpacking the kit")).await?
    }
}

fn directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).recursive(true).create(path)
}

fn unpack(root: &Path, entry: &Entry, content: &mut dyn Read, mode: u32) -> io::Result<()> {
    let path = root.join(entry.name.as_str());
    if let Some(above) = path.parent() {
        directory(above)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
    if io::copy(content, &mut file)? != entry.size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.flush()
}

/// Removes the kit, what its steps wrote, and the directories of their supervisors, whose processes are ended first.
pub(super) fn remove(work: &Path) -> io::Result<()> {
    leftovers::end_runs(work)?;
    [place(work), work.join(FOUND), Diary::place(work)].iter().try_for_each(|path| tree::remove(path))
}

/// Whether no file of a kit is left.
pub(super) fn is_gone(work: &Path) -> bool {
    let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
    !is_there(&place(work)) && !is_there(&work.join(FOUND)) && leftovers::runs(work).is_empty()
}

/// Whether a program of the kit still runs. Whatever a step started and left was ended by its supervisor; what another
/// service started for it was not.
pub(super) fn still_runs(work: &Path) -> bool {
    let root = place(work);
    process::list().is_ok_and(|all| {
        all.iter().any(|process| process.exe.as_ref().is_some_and(|exe| exe.path.starts_with(&root)))
    })
}
