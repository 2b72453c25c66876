//! Who may speak to the signer, and what becomes of those who speak nonsense.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use prost::Message as _;
use quell_signer::protocol::{Ask, Asked, FRAME, Hello, ORDERS, Said, Say, Sign, read, write};
use quell_signer::{Options, Place, Tcp, TlsFiles, listen};

use crate::world::{Asked as Request, World, client, sign_socket};

const SOON: Duration = Duration::from_secs(5);

fn listens(world: &World, peers: Vec<u32>) -> std::path::PathBuf {
    let directory = world.directory();
    let path = sign_socket(&directory);
    listen(&world.service, &directory, Options { unix: Some(path.clone()), peers, ..Options::default() })
        .unwrap();
    path
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

fn ask(stream: &mut UnixStream, ask: Ask) -> Option<Say> {
    let _ = write(stream, &Asked { ask: Some(ask) });
    read::<Said>(stream, FRAME).ok().flatten().and_then(|said| said.say)
}

#[test]
fn garbage_and_giants_end_the_conversation_and_nothing_else() {
    let world = World::new();
    let path = listens(&world, Vec::new());
    let hello = Ask::Hello(Hello { oldest: 1, newest: 1 });
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 64],
        &[0, 0, 0, 3, 0xff, 0xff, 0xff],
        &[0x7f, 0xff, 0xff, 0xff, 1],
    ] {
        let mut stream = connect(&path);
        stream.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        // The signer hangs up; that it does so with bytes unread may reset the connection.
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < 200);
    }
    let mut eager = connect(&path);
    let sorry = ask(&mut eager, Ask::Sign(Sign { id: 1, ..Sign::default() }));
    assert!(matches!(sorry, Some(Say::Sorry(sorry)) if sorry.code == "protocol"));
    let mut newer = connect(&path);
    let sorry = ask(&mut newer, Ask::Hello(Hello { oldest: 2, newest: 9 }));
    assert!(matches!(sorry, Some(Say::Sorry(sorry)) if sorry.code == "version"));
    let mut greedy = connect(&path);
    assert!(matches!(ask(&mut greedy, hello.clone()), Some(Say::Welcome(_))));
    let sorry =
        ask(&mut greedy, Ask::Sign(Sign { id: 1, orders: vec![Vec::new(); ORDERS + 1], ..Sign::default() }));
    assert!(matches!(sorry, Some(Say::Sorry(sorry)) if sorry.code == "protocol"));
    let mut good = connect(&path);
    assert!(matches!(ask(&mut good, hello), Some(Say::Welcome(_))));
    let orders = vec![Request::isolate().order().encode_to_vec(), vec![0xff; 9]];
    let Some(Say::Signed(signed)) = ask(&mut good, Ask::Sign(Sign { id: 7, orders, ..Sign::default() }))
    else {
        panic!("no answer")
    };
    assert_eq!((signed.id, signed.answers.len()), (7, 2));
    assert!(!signed.answers[0].signature.is_empty() && signed.answers[1].refused.is_some());
}

#[test]
fn no_more_conversations_than_there_is_room_for() {
    let world = World::new();
    let path = listens(&world, Vec::new());
    let hello = Ask::Hello(Hello { oldest: 1, newest: 1 });
    let mut held = Vec::new();
    for _ in 0..16 {
        let mut stream = connect(&path);
        assert!(matches!(ask(&mut stream, hello.clone()), Some(Say::Welcome(_))));
        held.push(stream);
    }
    let mut one_more = connect(&path);
    assert!(matches!(ask(&mut one_more, hello), Some(Say::Sorry(sorry)) if sorry.code == "busy"));
}

/// Run in a process of its own by the test below, as another user.
#[test]
fn child_of_another_user() {
    let Ok(path) = std::env::var("QUELL_TEST_SOCKET") else { return };
    let mut stream = connect(Path::new(&path));
    let welcomed =
        matches!(ask(&mut stream, Ask::Hello(Hello { oldest: 1, newest: 1 })), Some(Say::Welcome(_)));
    assert_eq!(welcomed, std::env::var("QUELL_TEST_WELCOME").is_ok());
}

#[test]
#[expect(clippy::print_stdout, reason = "says why it was skipped")]
fn another_user_is_refused_unless_named() {
    const OTHER: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    // In a folder that everybody may enter, so that only the signer keeps the other user out.
    let open = tempfile::tempdir().unwrap();
    std::fs::set_permissions(open.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for named in [false, true] {
        let world = World::new();
        let path = open.path().join(if named { "named" } else { "unnamed" });
        let peers = if named { vec![OTHER] } else { Vec::new() };
        let options = Options { unix: Some(path.clone()), peers, ..Options::default() };
        listen(&world.service, &world.directory(), options).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        // A copy that the other user may execute.
        let program = open.path().join("program");
        if !program.exists() {
            std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        }
        let mut command = std::process::Command::new(&program);
        command.args(["--exact", "socket::child_of_another_user"]).env("QUELL_TEST_SOCKET", &path);
        if named {
            command.env("QUELL_TEST_WELCOME", "1");
        }
        let output = std::os::unix::process::CommandExt::uid(&mut command, OTHER).output().unwrap();
        assert!(output.status.success(), "{named}: {}", String::from_utf8_lossy(&output.stdout));
        // The operator's socket is for the signer's own user, whoever may ask for signatures.
        assert_eq!(
            std::fs::metadata(world.directory().join("admin.sock")).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}

/// An authority and two certificates by it, in files.
fn certificates(folder: &Path, name: &str) -> (TlsFiles, TlsFiles) {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    };
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let authority = file(&format!("{name}-ca.pem"), &issuer.pem());
    let side = |side: &str, purpose| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &issuer).unwrap();
        TlsFiles {
            certificate: file(&format!("{name}-{side}.pem"), &certificate.pem()),
            key: file(&format!("{name}-{side}.key"), &key.serialize_pem()),
            authority: authority.clone(),
        }
    };
    (side("server", ExtendedKeyUsagePurpose::ServerAuth), side("client", ExtendedKeyUsagePurpose::ClientAuth))
}

#[tokio::test]
async fn another_host_shows_its_certificate_and_strangers_are_not_heard() {
    let world = World::new();
    let (ours, known) = certificates(world.folder.path(), "ours");
    let (_, stranger) = certificates(world.folder.path(), "theirs");
    let tcp = Tcp { address: "127.0.0.1:0".parse().unwrap(), files: ours.clone() };
    let listening =
        listen(&world.service, &world.directory(), Options { tcp: Some(tcp), ..Options::default() }).unwrap();
    let at = format!("tcp:localhost:{}", listening.tcp.unwrap().port());
    let good = client(Place::parse(&at, Some(&known)).unwrap());
    good.ready(SOON).await.unwrap();
    good.sign(Request::isolate().order().encode_to_vec()).await.unwrap();
    // A stranger's certificate; then the signer's authority, which is a stranger to them.
    let mut half = stranger.clone();
    half.authority.clone_from(&known.authority);
    for files in [half, stranger] {
        let bad = client(Place::parse(&at, Some(&files)).unwrap());
        assert!(bad.ready(Duration::from_millis(500)).await.is_err());
        assert!(!bad.is_connected());
    }
    assert!(Place::parse(&at, None).is_err(), "nobody speaks TCP without certificates");
    let mut plain = TcpStream::connect(listening.tcp.unwrap()).unwrap();
    plain.set_read_timeout(Some(SOON)).unwrap();
    let _ = write(&mut plain, &Asked { ask: Some(Ask::Hello(Hello { oldest: 1, newest: 1 })) });
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(said.len() < 32, "a TLS alert at most");
}

#[test]
fn places_are_read_strictly() {
    for bad in ["", "unix:", "/run/x", "tcp:host", "tcp:host:port", "http://x", "tcp:ho st:1"] {
        assert!(Place::parse(bad, None).is_err(), "{bad}");
    }
    assert_eq!(
        Place::parse("unix:/run/quell/sign.sock", None).unwrap().to_string(),
        "unix:/run/quell/sign.sock"
    );
}
