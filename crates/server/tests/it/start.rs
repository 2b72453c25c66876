//! First start, later starts, and starts that are refused.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use quell_server::{ApiTls, Listeners, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::world::{World, config, set_private};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn refused(config: quell_server::Config) -> String {
    match Server::start(config, Listeners::default()).await {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn the_first_start_makes_what_only_its_owner_may_read() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("data");
    let server = Server::start(config(&directory), Listeners::default()).await.unwrap();
    let first = server.first_key().unwrap().clone();
    assert_eq!(std::fs::read_to_string(&first.file).unwrap().trim(), first.text);
    assert!(!format!("{first:?}").contains(&first.text));
    assert_eq!(mode(&directory), 0o700);
    for name in ["admin.key", "ca.key", "signer/order.key", "order.pub", "secret.key"] {
        assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
    }
    server.run(async {}).await;
    let again = Server::start(config(&directory), Listeners::default()).await.unwrap();
    assert!(again.first_key().is_none());
    again.run(async {}).await;
}

#[tokio::test]
async fn a_start_that_died_before_the_key_was_stored_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    set_private(directory.path());
    let key = format!("qk_abcdefghijkl_{}\n", "x".repeat(43));
    let path = directory.path().join("admin.key");
    std::fs::write(&path, &key).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let world = World::at(directory).await;
    assert_eq!(world.get("/api/v1/tasks").await.0, 200);
    world.stop().await;
}

#[tokio::test]
async fn what_would_give_secrets_away_is_refused() {
    let world = World::new().await;
    let directory = world.stop().await;
    for name in ["signer/order.key", "ca.key", "secret.key", "admin.key"] {
        let path = directory.path().join(name);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = refused(config(directory.path())).await;
        assert!(error.contains(name) && error.contains("640") && error.contains("chmod"), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut open = config(directory.path());
    open.api = "0.0.0.0:0".parse().unwrap();
    let error = refused(open).await;
    assert!(error.contains("plain HTTP") && error.contains("127.0.0.1"), "{error}");
    let mut wrong = config(directory.path());
    wrong.database = Some("mysql://user:hunter2@host/x".to_owned());
    assert!(!refused(wrong).await.contains("hunter2"));
    let mut unnamed = config(directory.path());
    unnamed.api_tls = Some(ApiTls::Own { names: vec!["gateway.quell.internal".to_owned()] });
    assert!(refused(unnamed).await.contains("gateway.quell.internal"));
}

#[tokio::test]
async fn tls_of_its_own_authority_is_good_to_who_knows_it() {
    let directory = tempfile::tempdir().unwrap();
    set_private(directory.path());
    let mut tls = config(directory.path());
    tls.api = "0.0.0.0:0".parse().unwrap();
    tls.api_tls = Some(ApiTls::Own { names: vec!["localhost".to_owned()] });
    let server = Server::start(tls, Listeners::default()).await.unwrap();
    let url = format!("https://localhost:{}/healthz", server.api_address().port());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let authority = std::fs::read(directory.path().join("ca.pem")).unwrap();
    let authority = reqwest::Certificate::from_pem(&authority).unwrap();
    assert!(crate::world::client().get(&url).send().await.is_err(), "a stranger's authority was believed");
    let knowing = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    assert_eq!(knowing.get(&url).send().await.unwrap().text().await.unwrap(), "ok\n");
    let _ = stop.send(());
    running.await.unwrap();
}

#[tokio::test]
async fn sockets_may_be_given() {
    let directory = tempfile::tempdir().unwrap();
    set_private(directory.path());
    let given = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = given.local_addr().unwrap();
    let listeners = Listeners { api: Some(given), gateway: None };
    let server = Server::start(config(directory.path()), listeners).await.unwrap();
    assert_eq!(server.api_address(), address);
    server.run(async {}).await;
}

/// Run in a process of its own by the test below, with two sockets that it inherits.
#[test]
fn child_that_inherits_sockets() {
    let Ok(expected) = std::env::var("QUELL_TEST_SOCKETS") else { return };
    let listeners = Listeners::inherited().unwrap();
    let ports =
        [listeners.api, listeners.gateway].map(|listener| listener.unwrap().local_addr().unwrap().port());
    assert_eq!(format!("{ports:?}"), expected);
}

#[test]
fn inherited_sockets_are_taken_by_their_names() {
    let inherit = |names: &str| {
        let listen = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, two) = (listen(), listen());
        // Two descriptors in a row, far above what other tests use, and open across exec.
        let first = rustix::io::fcntl_dupfd_cloexec(&one, 700).unwrap();
        let second = rustix::io::fcntl_dupfd_cloexec(&two, 700).unwrap();
        for socket in [&first, &second] {
            rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::empty()).unwrap();
        }
        let ports = [two, one].map(|listener| listener.local_addr().unwrap().port());
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "start::child_that_inherits_sockets"])
            .env("LISTEN_FDS", "2")
            .env("LISTEN_FDS_FIRST_FD", std::os::fd::AsRawFd::as_raw_fd(&first).to_string())
            .env("LISTEN_FDNAMES", names)
            .env("QUELL_TEST_SOCKETS", format!("{ports:?}"))
            .output()
            .unwrap()
    };
    let taken = inherit("gateway:api");
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stdout));
    let unnamed = inherit("web:ssh");
    assert!(!unnamed.status.success());
    assert!(String::from_utf8_lossy(&unnamed.stdout).contains("web"), "{unnamed:?}");
}

#[tokio::test]
async fn two_servers_do_not_share_a_directory() {
    let world = World::new().await;
    let error = refused(config(world.directory.path())).await;
    assert!(error.contains("another server"), "{error}");
    let directory = world.stop().await;
    World::at(directory).await.stop().await;
}

#[tokio::test]
async fn who_dawdles_is_let_go() {
    let directory = tempfile::tempdir().unwrap();
    set_private(directory.path());
    let mut hasty = config(directory.path());
    hasty.limits.head_time = Duration::from_millis(500);
    hasty.limits.request_time = Duration::from_millis(500);
    let server = Server::start(hasty, Listeners::default()).await.unwrap();
    let (address, key) = (server.api_address(), server.first_key().unwrap().text.clone());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let said = async |request: String| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let ended = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "still open");
        String::from_utf8_lossy(&answer).into_owned()
    };
    let head = said("GET /healthz HTTP/1.1\r\nhost: x\r\n".to_owned()).await;
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
    let long = said(format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(200_000))).await;
    assert!(long.is_empty() || long.starts_with("HTTP/1.1 431"), "{long}");
    let lines = [
        "POST /api/v1/tasks HTTP/1.1",
        "host: x",
        "content-type: application/json",
        "content-length: 100",
        &format!("authorization: Bearer {key}"),
        "",
        "{",
    ];
    let body = said(lines.join("\r\n")).await;
    assert!(body.starts_with("HTTP/1.1 408") && body.contains("\"code\":\"request_timeout\""), "{body}");
    let _ = stop.send(());
    running.await.unwrap();
}

#[tokio::test]
async fn one_address_does_not_take_all_connections() {
    let directory = tempfile::tempdir().unwrap();
    set_private(directory.path());
    let mut narrow = config(directory.path());
    narrow.limits.connections_per_address = 2;
    let server = Server::start(narrow, Listeners::default()).await.unwrap();
    let address = server.api_address();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let ask = async || {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut first = [0; 12];
        let answered = timeout(Duration::from_secs(10), stream.read_exact(&mut first)).await.unwrap();
        (stream, answered.is_ok() && &first == b"HTTP/1.1 200")
    };
    let (first, second, third) = (ask().await, ask().await, ask().await);
    assert!(first.1 && second.1, "two are allowed");
    assert!(!third.1, "the third was answered");
    drop((first, second, third));
    let freed = timeout(Duration::from_secs(10), async {
        while !ask().await.1 {
            tokio::task::yield_now().await;
        }
    });
    assert!(freed.await.is_ok(), "a place was not given back");
    let _ = stop.send(());
    running.await.unwrap();
}
