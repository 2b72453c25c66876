//! Files that a shell leaves with the server: its recording, and what people gave to it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use quell_engine::Change;
use quell_store::artifact::{self, Artifact};
use quell_store::{Error, audit, shell};
use quell_wire::digest::{hex, sha256};
use quell_wire::path::artifact_id;
use quell_wire::shell::{Begin, Recorded};
use serde_json::json;
use uuid::Uuid;

use super::Shells;
use super::cast::Writer;
use super::journal::{Kind, Reader};
use super::live::{About, ENDED, Live, Over};

/// Read of a recording at a time. Bytes.
const CHUNK: usize = 256 << 10;

impl Shells {
    /// The id of a shell's recording.
    pub(crate) fn recording_of(id: Uuid) -> Uuid {
        artifact_id(&id.to_string(), "recording").parse().unwrap_or_default()
    }

    /// Whether a recording of it is stored, from before this process or this connection; then it is over.
    pub(super) async fn find_recording(&self, live: &Live) -> Result<bool, Error> {
        let (tenant, id) = (live.about.tenant, live.about.id);
        let row = self.0.store.read(move |tx| artifact::get(tx, tenant, Self::recording_of(id))).await?;
        let Some(row) = row.filter(|row| row.state == "stored") else { return Ok(false) };
        let known = self.0.store.read(move |tx| shell::get(tx, tenant, id)).await?;
        let is_open = known.as_ref().is_some_and(|known| known.ended_at.is_none());
        let mut over = Over { reason: "exited".to_owned(), by: String::new(), exit_code: None, signal: None };
        if is_open {
            // An earlier run stored the recording, and was gone before it noted the end.
            let path = live.path.clone();
            let left = tokio::task::spawn_blocking(move || left(&path)).await;
            let Left { reason, bytes_in, bytes_out } = left.ok().and_then(Result::ok).unwrap_or_default();
            over.reason = reason.unwrap_or_else(|| "away".to_owned());
            self.note_end(&live.about, &over, &row, (bytes_in, bytes_out)).await?;
            self.tell(&live.about, "ended");
        } else if let Some(reason) = known.and_then(|known| known.reason) {
            over.reason = reason;
        }
        let _ = tokio::fs::remove_file(&live.path).await;
        let reason = over.reason.clone();
        live.close(over, self.now());
        live.recorded(recorded(&row, reason));
        Ok(true)
    }

    /// Notes that a shell began.
    pub(crate) async fn note_begin(&self, about: &About, begin: &Begin) -> Result<(), Error> {
        let now = self.now();
        let row = shell::Shell {
            tenant_id: about.tenant,
            id: about.id,
            task_id: about.task,
            endpoint_id: about.endpoint,
            requester_name: about.requester_name.clone(),
            program: begin.program.clone(),
            run_as: begin.user.clone(),
            began_at: now,
            ended_at: None,
            reason: None,
            ended_by: None,
            exit_code: None,
            end_signal: None,
            bytes_in: 0,
            bytes_out: 0,
            artifact_id: None,
        };
        let detail = json!({ "task": about.task, "program": row.program, "user": row.run_as });
        let record = record(about, now, "shell.open", &detail);
        let write = self.0.store.write(move |tx| {
            if shell::insert(tx, &row)? {
                audit::append(tx, &record)?;
            }
            Ok::<_, Error>(())
        });
        write.await
    }

    /// Makes the recording of the journal, stores it, and notes the end.
    pub(super) async fn store_recording(&self, live: &Arc<Live>, over: &Over) -> Result<Recorded, Error> {
        let about = &live.about;
        let (journal, cast) = (live.path.clone(), with_ending(&live.path, "cast"));
        let made =
            tokio::task::spawn_blocking(move || make_cast(&journal, &cast).map(|made| (cast, made))).await;
        let (cast, (size, digest)) = match made {
            Ok(Ok(made)) => made,
            failed => {
                tracing::error!(?failed, "the recording of a shell cannot be made");
                return Err(Error::Busy);
            }
        };
        let row = self.row(
            about,
            Self::recording_of(about.id),
            ("recording", 0),
            ("recording.cast", "application/x-asciicast"),
            (size, digest),
        );
        self.keep(row.clone(), Body::File(cast.clone())).await?;
        let _ = tokio::fs::remove_file(&cast).await;
        let (_, _, bytes_in, bytes_out) = live.standing();
        self.note_end(about, over, &row, (bytes_in, bytes_out)).await?;
        // Only now: what is not noted yet is made again from it.
        let _ = tokio::fs::remove_file(&live.path).await;
        Ok(recorded(&row, over.reason.clone()))
    }

    /// Notes that a shell is over. Safe to repeat.
    async fn note_end(
        &self,
        about: &About,
        over: &Over,
        recording: &Artifact,
        (bytes_in, bytes_out): (u64, u64),
    ) -> Result<(), Error> {
        let now = self.now();
        let ended = shell::Shell {
            tenant_id: about.tenant,
            id: about.id,
            task_id: about.task,
            endpoint_id: about.endpoint,
            requester_name: String::new(),
            program: String::new(),
            run_as: String::new(),
            began_at: now,
            ended_at: Some(now),
            reason: Some(over.reason.clone()),
            ended_by: Some(over.by.clone()).filter(|by| !by.is_empty()),
            exit_code: over.exit_code.map(i64::from),
            end_signal: over.signal.map(i64::from),
            bytes_in: bytes_in as i64,
            bytes_out: bytes_out as i64,
            artifact_id: Some(recording.id),
        };
        let detail = json!({ "task": about.task, "reason": over.reason, "by": over.by, "bytes_in": bytes_in,
            "bytes_out": bytes_out, "recording": recording.id, "sha256": hex(&recording.sha256) });
        let record = record(about, now, "shell.end", &detail);
        let write = self.0.store.write(move |tx| {
            if shell::end(tx, &ended)? {
                audit::append(tx, &record)?;
            }
            Ok::<_, Error>(())
        });
        write.await
    }

    /// Keeps a file that a person gives to a shell. Answers its row.
    pub(crate) async fn take(&self, about: &About, body: Bytes) -> Result<Artifact, Error> {
        let id = Uuid::now_v7();
        let facts = (body.len() as u64, sha256(&[&body]));
        let row = self.row(about, id, ("given", 0), ("given.bin", "application/octet-stream"), facts);
        self.keep(row.clone(), Body::Bytes(body)).await?;
        Ok(row)
    }

    fn row(
        &self,
        about: &About,
        id: Uuid,
        (kind, part): (&str, i64),
        (name, media_type): (&str, &str),
        (size, sha256): (u64, [u8; 32]),
    ) -> Artifact {
        let now = self.now();
        Artifact {
            tenant_id: about.tenant,
            id,
            task_id: about.task,
            command_id: about.id,
            endpoint_id: about.endpoint,
            kind: kind.to_owned(),
            part,
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            size: size as i64,
            sha256,
            sha1: None,
            state: "uploading".to_owned(),
            received: 0,
            object_key: None,
            created_at: now,
            stored_at: None,
            expires_at: now.saturating_add(self.0.artifact_life.as_micros() as i64),
        }
    }

    /// The bytes first into the store's spool, then its row, as an upload does. Safe to repeat.
    async fn keep(&self, row: Artifact, body: Body) -> Result<(), Error> {
        let (tenant, id, size) = (row.tenant_id, row.id, row.size as u64);
        let failed = |error: quell_store::blob::Error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a file of a shell cannot be stored");
            match error {
                quell_store::blob::Error::Full => Error::Full,
                _ => Error::Busy,
            }
        };
        let written = row.clone();
        let known = self.0.store.write(move |tx| {
            let known = artifact::get(tx, tenant, id)?;
            match &known {
                None => artifact::insert(tx, &written)?,
                Some(known) if known.state == "stored" => {}
                Some(known) => drop(artifact::restart(tx, &written, &known.state)?),
            }
            Ok::<_, Error>(known)
        });
        let known = known.await?;
        if known.as_ref().is_some_and(|known| known.state == "stored") {
            return Ok(());
        }
        if known.is_some() {
            self.0.artifacts.discard(tenant, id).await.map_err(failed)?;
        }
        match body {
            Body::Bytes(bytes) => {
                let piece = stream::iter([Ok::<_, std::io::Error>(bytes)]);
                self.0.artifacts.append(tenant, id, 0, size, piece).await.map_err(failed)?;
            }
            Body::File(path) => {
                let file = tokio::fs::File::open(&path).await.map_err(|_| Error::Busy)?;
                let piece = Box::pin(tokio_util::io::ReaderStream::with_capacity(file, CHUNK));
                self.0.artifacts.append(tenant, id, 0, size, piece).await.map_err(failed)?;
            }
        }
        let key = self.0.artifacts.finish(tenant, id, size, &row.sha256).await.map_err(failed)?;
        let now = self.now();
        let mut record = audit::Record {
            tenant_id: tenant,
            id: Uuid::now_v7(),
            at: now,
            actor_kind: "system".to_owned(),
            actor_id: "server".to_owned(),
            actor_name: "server".to_owned(),
            verb: "artifact.store".to_owned(),
            object_kind: "artifact".to_owned(),
            object_id: id.to_string(),
            outcome: "ok".to_owned(),
            detail: String::new(),
            request_id: None,
            remote: None,
        };
        record.detail =
            json!({ "command": row.command_id, "kind": row.kind, "bytes": size, "sha256": hex(&row.sha256) })
                .to_string();
        let write = self.0.store.write(move |tx| {
            artifact::stored(tx, tenant, id, &key, now)?;
            audit::append(tx, &record)
        });
        write.await?;
        let (task, command) = (row.task_id, row.command_id);
        self.0.engine.changes().tell(Change::Artifact {
            tenant,
            task,
            command,
            artifact: id,
            state: "stored",
        });
        Ok(())
    }
}

enum Body {
    Bytes(Bytes),
    File(PathBuf),
}

fn recorded(row: &Artifact, reason: String) -> Recorded {
    Recorded { artifact_id: row.id.to_string(), size: row.size as u64, sha256: row.sha256.to_vec(), reason }
}

/// A record of something that the endpoint said of its shell.
fn record(about: &About, now: i64, verb: &str, detail: &serde_json::Value) -> audit::Record {
    audit::Record {
        tenant_id: about.tenant,
        id: Uuid::now_v7(),
        at: now,
        actor_kind: "endpoint".to_owned(),
        actor_id: about.endpoint.to_string(),
        actor_name: about.endpoint_name.clone(),
        verb: verb.to_owned(),
        object_kind: "shell".to_owned(),
        object_id: about.id.to_string(),
        outcome: "ok".to_owned(),
        detail: detail.to_string(),
        request_id: None,
        remote: None,
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    name.into()
}

/// What a journal still tells of a shell that is over.
#[derive(Debug, Default, PartialEq, Eq)]
struct Left {
    reason: Option<String>,
    /// Without what was typed and not echoed.
    bytes_in: u64,
    bytes_out: u64,
}

fn left(journal: &Path) -> std::io::Result<Left> {
    let (mut reader, mut left) = (Reader::open(journal)?, Left::default());
    while let Some(record) = reader.next_record()? {
        match record.kind {
            Kind::Input => left.bytes_in += record.data.len() as u64,
            Kind::Output => left.bytes_out += record.data.len() as u64,
            Kind::Mark => {
                let words = String::from_utf8_lossy(&record.data);
                if let Some(reason) = words.strip_prefix(ENDED) {
                    left.reason = Some(reason.to_owned());
                }
            }
            Kind::Begin | Kind::Hidden | Kind::Size => {}
        }
    }
    Ok(left)
}

/// The recording of a journal: its size and SHA-256.
fn make_cast(journal: &Path, cast: &Path) -> std::io::Result<(u64, [u8; 32])> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut reader = Reader::open(journal)?;
    let file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(cast)?;
    let mut file = std::io::BufWriter::with_capacity(CHUNK, file);
    let (mut writer, mut size) = (Writer::default(), 0);
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    while let Some(record) = reader.next_record()? {
        if let Some(line) = writer.line(&record) {
            file.write_all(line.as_bytes())?;
            digest.update(line.as_bytes());
            size += line.len() as u64;
        }
    }
    file.flush()?;
    let sha256 = digest.finish().as_ref().try_into().map_err(|_| std::io::ErrorKind::InvalidData)?;
    Ok((size, sha256))
}
