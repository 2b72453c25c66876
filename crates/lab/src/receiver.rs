//! A receiver of webhooks over a plain socket, which does what it is told to and keeps what it gets.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// Request line and headers.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body, where it is JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What a receiver does.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Answers these bytes, and closes.
    Answer(String),
    /// Answers nothing, for so long.
    Silent(Duration),
    /// Promises ten megabytes, and sends as much of them as is taken.
    Endless,
}

impl Manner {
    /// An answer with this status line, `204 No Content`.
    pub fn status(line: &str) -> Self {
        Self::Answer(format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
    }
}

/// A receiver. Ends when dropped.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    manner: Mutex<Manner>,
    requests: Mutex<Vec<Request>>,
}

impl Receiver {
    /// One on a free port.
    ///
    /// # Errors
    /// There is none.
    pub async fn start(manner: Manner) -> io::Result<Self> {
        Self::at(0, manner).await
    }

    /// One on this port of 127.0.0.1.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn at(port: u16, manner: Manner) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { manner: Mutex::new(manner), requests: Mutex::default() });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Ok(Self { address, shared, task })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL to post to.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Does something else from now on.
    pub fn turn(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// What arrived, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What arrived, once it is so many, or what there is when the time is over.
    pub async fn wait_for(&self, count: usize, within: Duration) -> Vec<Request> {
        let began = Instant::now();
        loop {
            let requests = self.requests();
            if requests.len() >= count || began.elapsed() > within {
                return requests;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let Ok(request) = read(&mut stream).await else { return };
    shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    let manner = shared.manner.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match manner {
        Manner::Answer(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Manner::Silent(time) => tokio::time::sleep(time).await,
        Manner::Endless => {
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            for _ in 0..10_000_000 / 4096 {
                if stream.write_all(&[b'x'; 4096]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn read(stream: &mut TcpStream) -> io::Result<Request> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        match stream.read(&mut part).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&part[..read]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut request = Request { head, body: bytes.split_off(end + 4) };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while request.body.len() < length {
        match stream.read(&mut part).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => request.body.extend_from_slice(&part[..read]),
        }
    }
    Ok(request)
}
