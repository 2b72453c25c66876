//! The archive that a command makes and sends: the spool that fills, and its way to the gateway.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quell_catalog::Secret;
use quell_catalog::archive::Archive;
use quell_host::file::Password;
use quell_wire::artifact::Kind as ArtifactKind;
use quell_wire::digest::hex;

use super::Endpoint;
use crate::runner::{Cancel, Ending, Job, chain};
use crate::transfer::{Error as TransferError, Gateway, Sealed, Spool, Upload, free, upload};

/// Free space on the spool's file system that is left to others. Bytes.
const SPARE: u64 = 64 << 20;
/// Between looks at the free space. Bytes read.
const LOOK: u64 = 16 << 20;
/// After a restart the archive's password comes with the order's next delivery. Not waited for longer.
const PASSWORD: Duration = Duration::from_mins(5);

/// The password that the order carries for the archive.
pub(super) async fn password(job: &Job) -> Result<Password, Ending> {
    let password = tokio::time::timeout(PASSWORD, job.secret(Secret::ArchivePassword)).await.ok().flatten();
    password
        .and_then(|password| Password::new(password).ok())
        .ok_or_else(|| Ending::refused("no_password", "the order carries no password for the archive"))
}

/// Stops at the order's cancel, and before the disk is full: the agent's journal needs room too.
pub(super) fn watch<'a>(
    cancel: &'a Cancel,
    spool: &'a Path,
    count: &'a AtomicU64,
) -> impl FnMut(u64) -> ControlFlow<()> + 'a {
    let mut next = 0;
    move |read| {
        count.store(read, Ordering::Relaxed);
        if cancel.is_asked() {
            return ControlFlow::Break(());
        }
        if read >= next {
            next = read + LOOK;
            if free(spool).is_some_and(|free| free < SPARE) {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

pub(super) fn disk_full(at: u64) -> Ending {
    Ending::failed(
        "disk_full",
        format!(
            "stopped after {at} bytes: the endpoint's disk has too little room for the archive; free some, or collect less"
        ),
    )
}

/// The spool to the gateway, with its progress told.
pub(super) async fn send<T>(
    endpoint: &Endpoint,
    job: &Job,
    spool: &Spool,
    sealed: &Sealed<T>,
) -> Result<Archive, TransferError> {
    let gateway = Gateway { dialer: endpoint.dialer.clone(), identity: endpoint.identity.clone() };
    let path = spool.path();
    let Sealed { size, sha256, .. } = *sealed;
    let what = Upload { order_id: &job.order_id, kind: ArtifactKind::Archive, path: &path, size, sha256 };
    let told = |through| job.progress(through, size, "uploading");
    let artifact_id = upload(&gateway, what, &job.cancel, told).await?;
    Ok(Archive { artifact_id, size, sha256: hex(&sha256) })
}

/// Nothing on the endpoint was changed by a file that did not get through.
pub(super) fn untransferred(error: &TransferError) -> Ending {
    match error {
        TransferError::Canceled => {
            Ending::canceled("canceled while the archive was uploaded; none was kept here")
        }
        error => Ending::failed(error.code(), chain(error)),
    }
}
