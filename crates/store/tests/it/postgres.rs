//! A PostgreSQL cluster for one run of the tests, on a free loopback port, ended with the run.

use std::{
    io::Write as _,
    net::TcpListener,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

pub(crate) struct Cluster {
    url: String,
    /// Held open: the supervising shell stops the cluster when it is closed, however this process ends.
    _leash: ChildStdin,
    _shell: Child,
}

static CLUSTER: LazyLock<Result<Cluster, String>> = LazyLock::new(start);
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The address of a new, empty database, or why there is none.
pub(crate) fn database() -> Result<String, String> {
    let cluster = CLUSTER.as_ref().map_err(Clone::clone)?;
    let name = format!("t{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let mut client = postgres::Client::connect(&format!("{}/postgres", cluster.url), postgres::NoTls)
        .map_err(|error| error.to_string())?;
    client.batch_execute(&format!("CREATE DATABASE {name}")).map_err(|error| error.to_string())?;
    Ok(format!("{}/{name}", cluster.url))
}

fn binaries() -> Result<PathBuf, String> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map_err(|_| "PostgreSQL is not installed (no /usr/lib/postgresql)".to_owned())?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|path| path.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().ok_or_else(|| "PostgreSQL's server programs are not installed".to_owned())
}

/// PostgreSQL refuses to run as root; then it runs as its own user.
fn drop_root() -> Vec<&'static str> {
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if root { vec!["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] } else { vec!["env"] }
}

fn start() -> Result<Cluster, String> {
    let text = |error: std::io::Error| error.to_string();
    let bin = binaries()?;
    let dir = tempfile::Builder::new().prefix("quell-pg-").tempdir().map_err(text)?.keep();
    let prefix = drop_root();
    if prefix[0] == "setpriv" {
        let owned = Command::new("chown").arg("postgres").arg(&dir).status().map_err(text)?;
        if !owned.success() {
            return Err("there is no user postgres".to_owned());
        }
    }
    let made = Command::new(prefix[0])
        .args(&prefix[1..])
        .arg(bin.join("initdb"))
        .arg("-D")
        .arg(dir.join("data"))
        .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
        .current_dir(&dir)
        .stdout(Stdio::null())
        .output()
        .map_err(text)?;
    if !made.status.success() {
        return Err(format!("initdb failed: {}", String::from_utf8_lossy(&made.stderr)));
    }
    let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).map_err(text)?.port();
    let mut shell = Command::new("sh")
        .arg("-c")
        .arg(
            "dir=$1; shift; \"$@\" </dev/null & server=$!; read -r _; kill -INT $server; wait $server; \
             cd /; rm -rf \"$dir\"",
        )
        .arg("postgres-leash")
        .arg(&dir)
        .args(&prefix)
        .arg(bin.join("postgres"))
        .arg("-D")
        .arg(dir.join("data"))
        .arg("-k")
        .arg(&dir)
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
        .args(["-c", "max_connections=200", "-c", "shared_buffers=64MB"])
        .current_dir(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(dir.join("log")).map_err(text)?)
        .spawn()
        .map_err(text)?;
    let mut leash = shell.stdin.take().ok_or("no pipe")?;
    let url = format!("postgres://postgres@127.0.0.1:{port}");
    let begin = Instant::now();
    while let Err(error) = postgres::Client::connect(&format!("{url}/postgres"), postgres::NoTls) {
        if begin.elapsed() > Duration::from_secs(30) {
            let _ = leash.write_all(b"\n");
            return Err(format!("PostgreSQL did not start: {error}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(Cluster { url, _leash: leash, _shell: shell })
}
