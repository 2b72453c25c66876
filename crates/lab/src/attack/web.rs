//! The attacker's web server on the outside host: hands files out, takes uploads.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::switch::Host;
use crate::{Error, failed};

/// Bytes of a head, and of an upload, that are read.
const HEAD: u64 = 16 << 10;
const BODY: u64 = 16 << 20;
/// A peer that says nothing for this long is left.
const SILENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Shared {
    ending: AtomicBool,
    files: Mutex<HashMap<String, Vec<u8>>>,
    served: AtomicU64,
    uploaded: AtomicU64,
}

/// HTTP/1.0, one request a connection. It ends when it is dropped.
pub struct Web {
    shared: Arc<Shared>,
    listener: TcpListener,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Web {
    /// Listens on a host of the lab.
    pub fn start(host: &Host, port: u16) -> Result<Self, Error> {
        let listener = host.listen(port)?;
        let shared = Arc::new(Shared::default());
        let (ours, accepting) = (Arc::clone(&shared), listener.try_clone().map_err(failed("copy a socket"))?);
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = accepting.accept() {
                if ours.ending.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&ours);
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Ok(Self { shared, listener, thread: Some(thread) })
    }

    /// Answers for this path (`/payload`) with these bytes from now on.
    pub fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        self.shared
            .files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path.to_owned(), content.into());
    }

    /// Files that were handed out.
    pub fn served(&self) -> u64 {
        self.shared.served.load(Ordering::SeqCst)
    }

    /// Bytes that were uploaded.
    pub fn uploaded(&self) -> u64 {
        self.shared.uploaded.load(Ordering::SeqCst)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::SeqCst);
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(stream: &TcpStream, shared: &Shared) {
    let _ = stream.set_read_timeout(Some(SILENCE));
    let _ = stream.set_write_timeout(Some(SILENCE));
    let _ = talk(stream, shared);
    let _ = stream.shutdown(Shutdown::Both);
}

fn talk(mut stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.by_ref().take(HEAD).read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, path) =
        (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut length = 0;
    loop {
        line.clear();
        if reader.by_ref().take(HEAD).read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
            if name.eq_ignore_ascii_case("expect") {
                stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
        }
    }
    if matches!(method.as_str(), "PUT" | "POST") {
        let read = std::io::copy(&mut reader.take(length.min(BODY)), &mut std::io::sink())?;
        shared.uploaded.fetch_add(read, Ordering::SeqCst);
        return stream.write_all(b"HTTP/1.0 201 Created\r\nContent-Length: 0\r\n\r\n");
    }
    let found = shared.files.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
    let Some(content) = found else {
        return stream.write_all(b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    };
    shared.served.fetch_add(1, Ordering::SeqCst);
    stream.write_all(format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", content.len()).as_bytes())?;
    stream.write_all(&content)
}
