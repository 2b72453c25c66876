//! A part of a file as the body of a request: read piece by piece while it is sent, never held as a whole.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::line::Body;

/// Read at once. Bytes.
const PIECE: u64 = 64 << 10;

/// Bytes `from..to` of the file. Each piece handed out is added to `moved`.
pub(super) fn pieces(file: Arc<File>, from: u64, to: u64, moved: Arc<AtomicU64>) -> Body {
    let stream = unfold(from, move |at| {
        let (file, moved) = (file.clone(), moved.clone());
        async move {
            if at >= to {
                return None;
            }
            let len = (to - at).min(PIECE);
            // Off the one thread that the session lives on: a disk may hang.
            let read = tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; len as usize];
                file.read_exact_at(&mut bytes, at).map(|()| Bytes::from(bytes))
            });
            let read = read.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()));
            if read.is_ok() {
                moved.fetch_add(len, Ordering::Relaxed);
            }
            Some((read.map(Frame::data), at + len))
        }
    });
    StreamBody::new(stream).boxed_unsync()
}
