//! The one-line installer: a script, the agent's program, and the command that fetches and checks the first of them.
//!
//! Who installs has no reason to trust anything yet but the command that they copied: it names the digest of the script,
//! the script names the digests of the programs, and the token names the authority that the agent then pins. So the ways
//! there need no certificate, and are open: there is nothing secret in them.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use quell_wire::digest::{Digest, hex, sha256};
use ring::digest;
use serde::Serialize;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use utoipa::ToSchema;

use crate::api::query::Name;
use crate::problem::{Code, Problem};
use crate::state::App;

/// Architectures that there are agents for.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];
/// Most bytes of a program.
const MOST: u64 = 256 << 20;
/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;
/// Programs that are handed out at a time.
const AT_ONCE: usize = 8;
/// The longest that one is handed out, as the script waits; and the longest that nobody takes a piece of it.
const LONGEST: Duration = Duration::from_mins(10);
const STALLED: Duration = Duration::from_secs(30);
const SCRIPT: &str = include_str!("install/linux.sh");
const UNIT: &str = include_str!("../../../packaging/quell-agent.service");

/// Where programs of the agent are, and what they were when somebody last looked.
#[derive(Debug)]
pub(crate) struct Programs {
    folder: Option<PathBuf>,
    known: Mutex<HashMap<&'static str, Known>>,
    places: Arc<Semaphore>,
}

#[derive(Clone, Debug)]
struct Known {
    is: Is,
    digest: Digest,
}

/// What a file is known by: nothing but a change of the clock, which is the administrator's, writes into one and leaves all
/// of it as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Is {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Is {
    fn of(about: &Metadata) -> Self {
        Self {
            device: about.dev(),
            inode: about.ino(),
            size: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        }
    }
}

/// The program for one architecture.
#[derive(Clone, Debug)]
struct Program {
    path: PathBuf,
    size: u64,
    digest: Digest,
}

/// What installs and enrols an agent, to be copied into a shell of the new endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Installer {
    /// For Linux with curl. The script is fetched, compared with the digest in the command, and run as root with the token
    /// on its standard input.
    curl: String,
    /// The same with wget.
    wget: String,
    /// SHA-256 of the script, lower-case hex.
    sha256: String,
}

impl Programs {
    /// Those in this folder; where none is named, the one beside the server's own program, for its own architecture.
    pub fn of(folder: Option<PathBuf>) -> Self {
        Self { folder, known: Mutex::default(), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    fn path(&self, arch: &str) -> Option<PathBuf> {
        match &self.folder {
            Some(folder) => Some(folder.join(format!("quell-agent-linux-{arch}"))),
            None if arch == std::env::consts::ARCH => {
                Some(std::env::current_exe().ok()?.parent()?.join("quell-agent"))
            }
            None => None,
        }
    }

    /// The program for an architecture, if there is a file that can be one. Reads it where it changed.
    fn find(&self, arch: &'static str) -> Option<Program> {
        let path = self.path(arch)?;
        let about =
            fs::metadata(&path).ok().filter(|about| about.is_file() && (1..=MOST).contains(&about.len()))?;
        let (is, size) = (Is::of(&about), about.len());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(arch).cloned();
        if let Some(known) = known.filter(|known| known.is == is) {
            return Some(Program { path, size, digest: known.digest });
        }
        let digest =
            digest_of(&path).inspect_err(|error| tracing::warn!(%error, "an agent cannot be read")).ok()?;
        let known = Known { is, digest };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(arch, known);
        Some(Program { path, size, digest })
    }
}

fn digest_of(path: &PathBuf) -> io::Result<Digest> {
    let mut file = File::open(path)?.take(MOST + 1);
    let mut context = digest::Context::new(&digest::SHA256);
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            read => context.update(&chunk[..read]),
        }
    }
    context.finish().as_ref().try_into().map_err(io::Error::other)
}

async fn find(app: &App, arch: &'static str) -> Option<Program> {
    let app = app.clone();
    tokio::task::spawn_blocking(move || app.programs.find(arch)).await.ok().flatten()
}

/// The script and the two ways to it. Open: see [`crate::auth::OPEN`].
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/install/linux", get(show_script))
        .route("/install/agent/linux/{arch}", get(show_program))
}

async fn show_script(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let text = script(&app).await?;
    let tag = format!("\"{}\"", hex(&sha256(&[text.as_bytes()])));
    Ok(tagged(&headers, &tag, "text/x-shellscript; charset=utf-8", text.len() as u64, || Body::from(text)))
}

async fn show_program(
    State(app): State<App>,
    headers: HeaderMap,
    Name(arch): Name,
) -> Result<Response, Problem> {
    let arch = ARCHITECTURES.iter().find(|known| **known == arch).copied();
    let program = match arch {
        Some(arch) => find(&app, arch).await,
        None => None,
    };
    let program = program.ok_or_else(nothing)?;
    let file = tokio::fs::File::open(&program.path).await.map_err(|_| nothing())?;
    let tag = format!("\"{}\"", hex(&program.digest));
    let place = Arc::clone(&app.programs.places).try_acquire_owned().map_err(|_| {
        Problem::new(
            Code::Unavailable,
            "the agent is being handed out to as many as the server takes at once",
        )
        .hint("Run the command again in a moment.")
        .retry_after(10)
    })?;
    // What grew since is cut, and what shrank breaks off: either way the digest tells.
    let body = || handed_out(file.take(program.size), place);
    Ok(tagged(&headers, &tag, "application/octet-stream", program.size, body))
}

/// A file, piece by piece. Whoever stops taking them loses the place, and the rest.
fn handed_out(mut file: tokio::io::Take<tokio::fs::File>, place: OwnedSemaphorePermit) -> Body {
    let (give, pieces) = mpsc::channel(1);
    tokio::spawn(async move {
        let _place = place;
        let all = async {
            loop {
                let mut piece = BytesMut::with_capacity(CHUNK);
                let read = file.read_buf(&mut piece).await;
                let is_last = !matches!(read, Ok(1..));
                let piece = read.map(|_| piece.freeze());
                if give.send_timeout(piece, STALLED).await.is_err() || is_last {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(LONGEST, all).await;
    });
    Body::from_stream(unfold(pieces, |mut pieces| async move {
        pieces.recv().await.map(|piece: io::Result<Bytes>| (piece, pieces))
    }))
}

fn tagged(
    headers: &HeaderMap,
    tag: &str,
    media_type: &'static str,
    size: u64,
    body: impl FnOnce() -> Body,
) -> Response {
    let asked = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let has =
        asked.is_some_and(|tags| tags.split(',').any(|one| matches!(one.trim(), "*") || one.trim() == tag));
    let mut response = if has { StatusCode::NOT_MODIFIED.into_response() } else { Response::new(body()) };
    let answered = response.headers_mut();
    answered.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        answered.insert(header::ETAG, tag);
    }
    if !has {
        answered.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        answered.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    }
    response
}

fn nothing() -> Problem {
    Problem::new(Code::NotFound, "this server has no such agent to hand out").hint(
        "Start the server with --agents FOLDER, which holds quell-agent-linux-x86_64 and quell-agent-linux-aarch64.",
    )
}

/// The script, as it is at the moment: the same bytes as long as address and programs are the same.
async fn script(app: &App) -> Result<String, Problem> {
    let mut digests = Vec::with_capacity(ARCHITECTURES.len());
    for arch in ARCHITECTURES {
        digests.push(find(app, arch).await.map(|program| hex(&program.digest)).unwrap_or_default());
    }
    if digests.iter().all(String::is_empty) {
        return Err(nothing());
    }
    let unknown = || {
        Problem::new(Code::NotFound, "the server does not know where endpoints find it")
            .hint("Start it with --public-url https://NAME, and --advertise NAME:8421 where agents connect elsewhere.")
    };
    let (from, server) = places(app).ok_or_else(unknown)?;
    let [x86_64, aarch64] = digests.as_slice() else { return Err(nothing()) };
    Ok(SCRIPT
        .replace("@FROM@", &from)
        .replace("@SERVER@", &server)
        .replace("@SHA256_X86_64@", x86_64)
        .replace("@SHA256_AARCH64@", aarch64)
        .replace("@UNIT@", UNIT.trim_end()))
}

/// Where the program is fetched from, and where agents connect; both fit to stand in a shell.
fn places(app: &App) -> Option<(String, String)> {
    let public = app.public.as_ref()?;
    let server = match app.addresses.current().first() {
        Some(address) => address.clone(),
        None => format!("{}:{}", public.host(), app.gateway_port),
    };
    let (from, server) = (public.origin(), server);
    let is_plain = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:/-[]_".contains(&byte))
    };
    (is_plain(&from) && is_plain(&server)).then_some((from, server))
}

/// The commands that install an agent with this token; `None` where this server hands none out.
pub(crate) async fn installer(app: &App, token: &str) -> Option<Installer> {
    let text = script(app).await.ok()?;
    let is_plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let url = app.public.as_ref().filter(|_| is_plain)?.link("/install/linux");
    let digest = hex(&sha256(&[text.as_bytes()]));
    // printf is the shell's own: the token is no argument of a process. Without sudo one is root, or is told to be.
    let command = |fetch: &str| {
        format!(
            "(f=$(mktemp) && trap 'rm -f \"$f\"' EXIT && {fetch} && echo \"{digest}  $f\" | sha256sum -c - >/dev/null && \
            printf '%s\\n' '{token}' | $(command -v sudo) sh \"$f\" --token -)"
        )
    };
    Some(Installer {
        curl: command(&format!("curl -fsSk -o \"$f\" '{url}'")),
        wget: command(&format!("wget -q --no-check-certificate -O \"$f\" '{url}'")),
        sha256: digest,
    })
}
