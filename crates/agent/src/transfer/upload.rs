//! One file to the gateway: asked how far it is, continued from there, until the gateway holds all of it and
//! has compared its hash.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, Request, StatusCode, header};
use quell_wire::artifact::Kind;
use quell_wire::path::{UPLOAD_LENGTH, UPLOAD_OFFSET, UPLOAD_SHA256, UPLOADS, artifact_id};
use quell_wire::{digest::hex, limits};

use super::line::{Body, Line, failure, nothing, number};
use super::pieces::pieces;
use super::{Error, Failure, Gateway, pause};
use crate::backoff::Backoff;
use crate::request::to;
use crate::runner::Cancel;

/// An answer here has no body, or a short problem.
const ANSWER: usize = 16 << 10;
/// The first piece over a connection: so small that a refusal is read before the connection can break under
/// bytes that nobody takes. Bytes.
const FIRST: u64 = 16 << 10;
/// Answers in a row that move the upload to another offset without taking a byte.
const MOVES: u32 = 8;
/// Times that the whole is sent anew because the gateway saw another hash.
const ANEW: u32 = 2;
/// How often progress is told.
const TELL: Duration = Duration::from_millis(500);

/// What is uploaded.
#[derive(Clone, Copy, Debug)]
pub struct Upload<'a> {
    /// The order that asked for it.
    pub order_id: &'a str,
    /// What it is.
    pub kind: Kind,
    /// Where it lies.
    pub path: &'a Path,
    /// Bytes.
    pub size: u64,
    /// SHA-256 over all of it.
    pub sha256: [u8; 32],
}

/// Uploads, for as long as it takes, and returns the id under which the gateway keeps it. `progress` is told
/// the bytes that are through.
pub async fn upload(
    gateway: &Gateway,
    upload: Upload<'_>,
    cancel: &Cancel,
    progress: impl Fn(u64),
) -> Result<String, Error> {
    let file = Arc::new(File::open(upload.path).map_err(Error::file("open the spooled archive"))?);
    let length = file.metadata().map_err(Error::file("look at the spooled archive"))?.len();
    if length != upload.size {
        return Err(Error::file("read the spooled archive")(std::io::ErrorKind::UnexpectedEof.into()));
    }
    let mut run = Run { gateway, upload, file, reached: 0, moved: Arc::default(), anew: 0 };
    let through = run.moved.clone();
    let mut backoff = Backoff::default();
    let mut ticks = tokio::time::interval(TELL);
    loop {
        let before = run.reached;
        let mut attempt = Box::pin(run.attempt());
        let result = loop {
            tokio::select! {
                result = &mut attempt => break result,
                _ = ticks.tick() => progress(through.load(Ordering::Relaxed).min(upload.size)),
                () = cancel.asked() => return Err(Error::Canceled),
            }
        };
        drop(attempt);
        match result {
            Ok(()) => return Ok(artifact_id(upload.order_id, &upload.kind.to_string())),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Again(why, asked)) => {
                if run.reached > before {
                    backoff.reset();
                }
                pause(&mut backoff, &why, asked, cancel).await?;
            }
        }
    }
}

struct Run<'a> {
    gateway: &'a Gateway,
    upload: Upload<'a>,
    file: Arc<File>,
    /// The furthest that the gateway has confirmed.
    reached: u64,
    /// Handed to the network, for progress and for noticing silence.
    moved: Arc<AtomicU64>,
    anew: u32,
}

impl Run<'_> {
    /// Over one connection, as far as it goes.
    async fn attempt(&mut self) -> Result<(), Failure> {
        let mut line = self.gateway.line().await?;
        let head = self.request(&Method::HEAD).body(nothing());
        let answer = self.ask(&mut line, head).await?;
        if answer.status != StatusCode::OK {
            return Err(failure(answer));
        }
        let mut offset = self.offset(number(&answer.headers, UPLOAD_OFFSET))?;
        let (mut moves, mut step) = (0, FIRST);
        loop {
            let end = self.upload.size.min(offset + step);
            self.moved.store(offset, Ordering::Relaxed);
            let body = pieces(self.file.clone(), offset, end, self.moved.clone());
            let put = self
                .request(&Method::PUT)
                .header(UPLOAD_OFFSET, offset)
                .header(header::CONTENT_LENGTH, end - offset)
                .body(body);
            let answer = self.ask(&mut line, put).await?;
            let stands = number(&answer.headers, UPLOAD_OFFSET);
            match answer.status {
                StatusCode::CREATED => return Ok(()),
                StatusCode::OK => {
                    let now = self.offset(stands)?;
                    if now <= offset || now > end {
                        return Err(Failure::Final(Error::Protocol("it took a piece and stands elsewhere")));
                    }
                    (offset, moves, step) = (now, 0, limits::CHUNK as u64);
                }
                StatusCode::CONFLICT if stands.is_some() => {
                    moves += 1;
                    if moves > MOVES {
                        return Err(Failure::Final(Error::Protocol(
                            "it never takes the offset that it names",
                        )));
                    }
                    offset = self.offset(stands)?;
                }
                // Something else holds it for a moment: an earlier connection that it has not given up yet.
                StatusCode::CONFLICT if answer.headers.contains_key(header::RETRY_AFTER) => {
                    let asked = number(&answer.headers, header::RETRY_AFTER.as_str());
                    return Err(Failure::Again("busy".to_owned(), asked.and_then(|s| s.try_into().ok())));
                }
                StatusCode::UNPROCESSABLE_ENTITY if self.anew < ANEW => {
                    self.anew += 1;
                    return Err(Failure::Again("the server saw another hash".to_owned(), None));
                }
                _ => return Err(failure(answer)),
            }
            self.reached = self.reached.max(offset);
        }
    }

    async fn ask(
        &self,
        line: &mut Line,
        request: Result<Request<Body>, http::Error>,
    ) -> Result<crate::request::Answer, Failure> {
        let request = request.map_err(crate::request::Error::Request)?;
        line.send(request, ANSWER, &self.moved).await
    }

    fn request(&self, method: &Method) -> http::request::Builder {
        let Upload { order_id, kind, size, sha256, .. } = self.upload;
        to(method.as_str(), &format!("{UPLOADS}/{order_id}/{kind}"))
            .header(UPLOAD_LENGTH, size)
            .header(UPLOAD_SHA256, hex(&sha256))
    }

    fn offset(&self, stands: Option<u64>) -> Result<u64, Failure> {
        // At the very end an empty piece asks for the verdict.
        stands
            .filter(|offset| *offset <= self.upload.size)
            .ok_or(Failure::Final(Error::Protocol("it names no offset, or one beyond the file's end")))
    }
}
