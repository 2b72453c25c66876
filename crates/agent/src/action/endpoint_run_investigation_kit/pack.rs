//! What the steps found, as one encrypted archive with a manifest of what ran.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::sync::atomic::AtomicU64;

use quell_catalog::endpoint::run_investigation_kit::{RESULTS, Step};
use quell_host::file::{self, Bundle};
use quell_wire::digest::hex;
use serde::{Deserialize, Serialize};

use super::Deployment;
use super::diary::Diary;
use crate::action::archive::{disk_full, watch};
use crate::action::thread;
use crate::runner::{Ending, chain};
use crate::transfer::{Sealed, Spool, is_full};

const MANIFEST: &str = "manifest.json";
/// What is read at a time. Bytes.
const CHUNK: usize = 128 << 10;

/// What is known of the kit before its output is packed.
pub(super) struct Head {
    pub sha256: String,
    pub signer: String,
    pub trusted_by: String,
    pub name: String,
    pub version: String,
    /// A process of it is still there.
    pub left: bool,
}

/// What is known of a kit whose archive is complete.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct About {
    pub sha256: String,
    pub signer: String,
    pub trusted_by: String,
    pub name: String,
    pub version: String,
    pub left: bool,
    pub steps: Vec<Step>,
    pub manifest_sha256: String,
    pub duration_ms: u64,
}

/// What the archive says of itself.
#[derive(Serialize)]
struct Manifest<'m> {
    format: &'static str,
    order_id: &'m str,
    endpoint_id: &'m str,
    agent: &'static str,
    kit: &'m str,
    version: &'m str,
    kit_sha256: &'m str,
    signer: &'m str,
    trusted_by: &'m str,
    packed_us: i64,
    steps: &'m [Step],
}

/// Why an entry could not be written.
enum Unwritten {
    Stopped(u64),
    Failed(io::Error),
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl Deployment<'_> {
    pub(super) async fn pack(
        &self,
        spool: &Spool,
        head: Head,
        diary: Diary,
    ) -> Result<Sealed<About>, Ending> {
        let (cancel, place, password) = (self.job.cancel.clone(), spool.clone(), self.password.clone());
        let (order_id, now_us) = (self.job.order_id.clone(), self.endpoint.clock.now_us());
        let endpoint_id = self.endpoint.identity.me().endpoint_id.clone();
        let work = move |count: &AtomicU64| -> Result<Sealed<About>, Ending> {
            let path = place.path();
            let Diary { mut steps, places } = diary;
            let stopped = |why: Unwritten| match why {
                Unwritten::Stopped(_) if cancel.is_asked() => {
                    Ending::canceled("canceled while the output was packed; none was kept here")
                }
                Unwritten::Stopped(at) => disk_full(at),
                Unwritten::Failed(error) if is_full(&error) => disk_full(0),
                Unwritten::Failed(error) => Ending::failed("archive_failed", chain(&error)),
            };
            let whole = |error: file::Error| match error {
                file::Error::Archive(error) => stopped(Unwritten::Failed(error)),
                error => Ending::failed("archive_failed", chain(&error)),
            };
            let mut bundle = Bundle::create(&path, password).map_err(whole)?;
            let mut watch = watch(&cancel, &path, count);
            let mut total = 0;
            for (step, places) in steps.iter_mut().zip(&places) {
                for (file, place) in step.files.iter_mut().zip(places) {
                    let mut from = File::open(place).map_err(|error| stopped(error.into()))?;
                    let copied = bundle.write(&file.name, step.began_us / 1_000_000, |out| {
                        copy(&mut from, out, file.size, &mut |read| watch(total + read))
                    });
                    let ((), entry) = copied.map_err(stopped)?;
                    total += entry.size;
                    (file.size, file.sha256) = (entry.size, hex(&entry.sha256));
                }
            }
            let manifest = Manifest {
                format: RESULTS,
                order_id: &order_id,
                endpoint_id: &endpoint_id,
                agent: crate::VERSION,
                kit: &head.name,
                version: &head.version,
                kit_sha256: &head.sha256,
                signer: &head.signer,
                trusted_by: &head.trusted_by,
                packed_us: now_us,
                steps: &steps,
            };
            let written = bundle.write(MANIFEST, now_us / 1_000_000, |out| {
                serde_json::to_writer_pretty(out, &manifest).map_err(io::Error::from)
            });
            let ((), entry) = written.map_err(|error: io::Error| stopped(error.into()))?;
            let archived = bundle.finish().map_err(whole)?;
            let about = About {
                sha256: head.sha256,
                signer: head.signer,
                trusted_by: head.trusted_by,
                name: head.name,
                version: head.version,
                left: head.left,
                duration_ms: steps.iter().map(|step| step.duration_ms).sum(),
                steps,
                manifest_sha256: hex(&entry.sha256),
            };
            let sealed = Sealed { size: archived.size, sha256: archived.sha256, about };
            place.seal(&sealed).map_err(|error| Ending::failed(error.code(), chain(&error)))?;
            Ok(sealed)
        };
        thread::run(work, |read| self.job.progress(read, 0, "packing")).await?
    }
}

/// At most as much as was noted: a file that grew since has its rest left out.
fn copy(
    from: &mut File,
    out: &mut dyn io::Write,
    most: u64,
    watch: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(), Unwritten> {
    let (mut buffer, mut read) = (vec![0; CHUNK], 0);
    let mut from = from.take(most);
    loop {
        if watch(read).is_break() {
            return Err(Unwritten::Stopped(read));
        }
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            n => {
                out.write_all(&buffer[..n])?;
                read += n as u64;
            }
        }
    }
}
