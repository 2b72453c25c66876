//! The gateway's files: scripts to fetch and uploads to continue, with the faults that a test asks for.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use quell_wire::digest::{hex, sha256};
use quell_wire::path::{LIBRARY, UPLOAD_LENGTH, UPLOAD_OFFSET, UPLOAD_SHA256, UPLOADS};

use crate::gateway::{Answer, PASSWORD};

/// What happens to the next piece.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The connection breaks after this many bytes of it, which are kept. Waits for a piece that is larger.
    CutAfter(usize),
    /// Not taken; the upload is said to stand here.
    Stands(u64),
    /// Nothing of it is taken.
    Status(u16),
    /// What is there is thrown away before the piece is looked at.
    Forget,
}

#[derive(Default)]
struct Held {
    uploads: HashMap<String, Vec<u8>>,
    complete: HashMap<String, String>,
    scripts: HashMap<String, Vec<u8>>,
    faults: VecDeque<Fault>,
    starts: Vec<u64>,
    digests: Vec<String>,
    fetched: u32,
}

#[derive(Default)]
pub struct Files(Mutex<Held>);

impl Files {
    pub fn are_at(route: &str) -> bool {
        route.starts_with(UPLOADS) || route.starts_with(LIBRARY)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a script into the library; the parameter that names it.
    pub fn script(&self, body: &str) -> String {
        let digest = hex(&sha256(&[body.as_bytes()]));
        self.held().scripts.insert(digest.clone(), body.into());
        format!("sha256:{digest}")
    }

    /// Puts a body under the digest of another.
    pub fn false_script(&self, named: &str, body: &str) -> String {
        let digest = hex(&sha256(&[named.as_bytes()]));
        self.held().scripts.insert(digest.clone(), body.into());
        format!("sha256:{digest}")
    }

    pub fn fail_with(&self, faults: &[Fault]) {
        self.held().faults.extend(faults);
    }

    /// Offsets at which pieces began.
    pub fn starts(&self) -> Vec<u64> {
        self.held().starts.clone()
    }

    /// Different digests that were announced.
    pub fn digests(&self) -> Vec<String> {
        let mut digests = self.held().digests.clone();
        digests.sort();
        digests.dedup();
        digests
    }

    pub fn fetched(&self) -> u32 {
        self.held().fetched
    }

    /// Bytes held of an order's upload.
    pub fn received(&self, order_id: &str) -> usize {
        self.held().uploads.get(&name(order_id)).map_or(0, Vec::len)
    }

    /// What a complete upload of another kind holds.
    pub fn whole(&self, order_id: &str, kind: &str) -> Option<Vec<u8>> {
        let name = format!("{UPLOADS}/{order_id}/{kind}");
        let held = self.held();
        held.complete.contains_key(&name).then(|| held.uploads[&name].clone())
    }

    /// A complete upload, unpacked by a program of somebody else's.
    pub fn unpacked(&self, order_id: &str) -> Option<tempfile::TempDir> {
        let archive = {
            let held = self.held();
            assert!(held.complete.contains_key(&name(order_id)), "the upload is complete");
            held.uploads[&name(order_id)].clone()
        };
        let dir = tempfile::tempdir().unwrap();
        let path: PathBuf = dir.path().join("archive.zip");
        std::fs::write(&path, archive).unwrap();
        let out = format!("-o{}", dir.path().display());
        let unpack = Command::new("7z").args(["x", "-y", &format!("-p{PASSWORD}"), &out]).arg(&path).output();
        match unpack {
            Err(_) => {
                println!("skipped: 7z is not installed");
                None
            }
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
                Some(dir)
            }
        }
    }

    pub async fn answer(&self, request: Request<Incoming>) -> io::Result<Answer> {
        let route = request.uri().path().to_owned();
        if let Some(digest) = route.strip_prefix(LIBRARY).and_then(|rest| rest.strip_prefix('/')) {
            let mut held = self.held();
            held.fetched += 1;
            return Ok(match held.scripts.get(digest) {
                Some(body) => reply(StatusCode::OK, None, body.clone()),
                None => reply(StatusCode::NOT_FOUND, None, Vec::new()),
            });
        }
        if request.method() == Method::HEAD {
            let digest = request.headers()[UPLOAD_SHA256].to_str().unwrap().to_owned();
            let mut held = self.held();
            if !held.digests.contains(&digest) {
                // Another file: what is held of the one before is of no use.
                held.uploads.remove(&route);
                held.digests.push(digest);
            }
            let stands = held.uploads.get(&route).map_or(0, Vec::len);
            return Ok(reply(StatusCode::OK, Some(stands as u64), Vec::new()));
        }
        self.piece(route, request).await
    }

    async fn piece(&self, route: String, request: Request<Incoming>) -> io::Result<Answer> {
        let headers = request.headers().clone();
        let start = number(&headers, UPLOAD_OFFSET);
        let fault = {
            let mut held = self.held();
            held.starts.push(start);
            let length = number(&headers, "content-length") as usize;
            held.faults.pop_front_if(|fault| !matches!(fault, Fault::CutAfter(most) if length <= *most))
        };
        match fault {
            Some(Fault::Stands(at)) => return Ok(reply(StatusCode::CONFLICT, Some(at), Vec::new())),
            Some(Fault::Status(status)) => {
                return Ok(reply(StatusCode::from_u16(status).unwrap(), None, Vec::new()));
            }
            Some(Fault::Forget) => drop(self.held().uploads.remove(&route)),
            Some(Fault::CutAfter(_)) | None => {}
        }
        let stands = self.held().uploads.get(&route).map_or(0, Vec::len) as u64;
        if stands != start {
            return Ok(reply(StatusCode::CONFLICT, Some(stands), Vec::new()));
        }
        let mut body = request.into_body();
        let mut taken = 0;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.into_data().unwrap_or_default();
            self.held().uploads.entry(route.clone()).or_default().extend(&bytes);
            taken += bytes.len();
            if matches!(fault, Some(Fault::CutAfter(most)) if taken >= most) {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        let mut held = self.held();
        let content = &held.uploads[&route];
        let (end, digest) = (content.len() as u64, hex(&sha256(&[content])));
        if end < number(&headers, UPLOAD_LENGTH) {
            return Ok(reply(StatusCode::OK, Some(end), Vec::new()));
        }
        if digest != headers[UPLOAD_SHA256].to_str().unwrap() {
            held.uploads.remove(&route);
            return Ok(reply(StatusCode::UNPROCESSABLE_ENTITY, None, Vec::new()));
        }
        held.complete.insert(route, digest);
        Ok(reply(StatusCode::CREATED, Some(end), Vec::new()))
    }
}

fn name(order_id: &str) -> String {
    format!("{UPLOADS}/{order_id}/archive")
}

fn number(headers: &HeaderMap, name: &str) -> u64 {
    headers[name].to_str().unwrap().parse().unwrap()
}

fn reply(status: StatusCode, offset: Option<u64>, body: Vec<u8>) -> Answer {
    let mut builder = Response::builder().status(status);
    if let Some(offset) = offset {
        builder = builder.header(UPLOAD_OFFSET, offset);
    }
    builder.body(http_body_util::Full::new(body.into())).unwrap()
}
