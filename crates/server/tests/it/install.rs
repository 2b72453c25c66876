//! The one-line installer: a real shell, real TLS, the real agent, below a folder instead of the machine's root.

#![expect(clippy::print_stdout, reason = "a test that is left out says so")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant, SystemTime};

use quell_server::ApiTls;
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::world::World;

/// In the place of a service manager: starts the agent, and ends it, by its id.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$*" >>"$QUELL_PREFIX/calls"
case "$1" in
    restart) [ ! -e "$QUELL_PREFIX/pid" ] || kill "$(cat "$QUELL_PREFIX/pid")" 2>/dev/null
        "$QUELL_PREFIX/usr/sbin/quell-agent" --state "$QUELL_PREFIX/var/lib/quell-agent" run >"$QUELL_PREFIX/log" 2>&1 &
        echo $! >"$QUELL_PREFIX/pid" ;;
    disable) kill "$(cat "$QUELL_PREFIX/pid")" ;;
esac
"#;

fn program() -> Option<PathBuf> {
    let agent = std::env::current_exe().unwrap().parent()?.parent()?.join("quell-agent");
    agent.is_file().then_some(agent)
}

fn has(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// What keeps these tests from running here.
fn lacks() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        Some("the installer needs root")
    } else if !has("curl") {
        Some("no curl")
    } else if std::env::consts::ARCH != "x86_64" {
        Some("not x86_64")
    } else {
        program().is_none().then_some("quell-agent is not built")
    }
}

async fn server(agents: &Path) -> World {
    let agents = agents.to_owned();
    World::with(|config| {
        config.api_tls = Some(ApiTls::Own { names: vec!["localhost".to_owned()] });
        config.agents = Some(agents);
    })
    .await
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A machine to install on: a folder with a service manager.
struct Machine {
    root: TempDir,
    tools: TempDir,
}

impl Machine {
    fn new() -> Self {
        let (root, tools) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
        executable(&tools.path().join("systemctl"), SYSTEMCTL);
        executable(&tools.path().join("sudo"), "#!/bin/sh\nexec \"$@\"\n");
        Self { root, tools }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    async fn run(&self, shell: &str) -> Output {
        let mut command = Command::new("sh");
        command.arg("-c").arg(shell).env("QUELL_PREFIX", self.root.path());
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.tools.path().display()));
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(self.path("pid")) {
            let _ = Command::new("kill").args(["-9", pid.trim()]).output();
        }
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// An answer of the API, past the certificate that nobody here knows.
async fn api(world: &World, path: &str, body: Option<&str>) -> Value {
    let mut command = Command::new("curl");
    command.args(["-sk", "-H", &format!("Authorization: Bearer {}", world.key)]);
    if let Some(body) = body {
        command.args(["-H", "Content-Type: application/json", "-d", body]);
    }
    command.arg(format!("{}{path}", base(world)));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)))
}

fn base(world: &World) -> String {
    world.base.replace("http://127.0.0.1", "https://localhost")
}

async fn connected(world: &World) -> bool {
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        let list = api(world, "/api/v1/endpoints?connected=true&view=row&count=true", None).await;
        if list["total"] == 1 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_makes_an_endpoint_and_one_takes_it_back() {
    if let Some(reason) = lacks() {
        println!("skipped: {reason}");
        return;
    }
    let agents = tempfile::tempdir().unwrap();
    symlink(program().unwrap(), agents.path().join("quell-agent-linux-x86_64")).unwrap();
    let world = server(agents.path()).await;
    let made = api(&world, "/api/v1/enrolment-tokens", Some(r#"{"name":"x","max_uses":5}"#)).await;
    let command = made["install"]["curl"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let token = made["text"].as_str().unwrap();
    let machine = Machine::new();
    let output = machine.run(&command).await;
    let words = said(&output);
    assert!(output.status.success(), "{words}");
    assert!(!words.contains(token), "the token was shown: {words}");
    assert!(words.contains("enrolled as") && words.contains("the agent runs"), "{words}");
    let unit = fs::read_to_string(machine.path("etc/systemd/system/quell-agent.service")).unwrap();
    assert_eq!(unit, include_str!("../../../../packaging/quell-agent.service"));
    assert!(connected(&world).await, "{}", fs::read_to_string(machine.path("log")).unwrap_or_default());

    // Once more: the program is brought up to date, the identity stays, and no token is used up.
    let output = machine.run(&command).await;
    assert!(output.status.success() && said(&output).contains("its identity stays"), "{}", said(&output));
    let tokens = api(&world, "/api/v1/enrolment-tokens", None).await;
    assert_eq!(tokens["items"][0]["uses"], 1);

    // What is isolated is not left with its network cut.
    let script = format!("curl -fsSk {}/install/linux -o \"$QUELL_PREFIX/i.sh\"", base(&world));
    assert!(machine.run(&script).await.status.success());
    fs::write(machine.path("var/lib/quell-agent/isolation.json"), "{}").unwrap();
    let output = machine.run("sh \"$QUELL_PREFIX/i.sh\" --uninstall").await;
    assert!(!output.status.success() && said(&output).contains("isolated"), "{}", said(&output));
    fs::remove_file(machine.path("var/lib/quell-agent/isolation.json")).unwrap();
    let output = machine.run("sh \"$QUELL_PREFIX/i.sh\" --uninstall").await;
    assert!(output.status.success(), "{}", said(&output));
    for gone in ["usr/sbin/quell-agent", "etc/systemd/system/quell-agent.service", "var/lib/quell-agent"] {
        assert!(!machine.path(gone).exists(), "{gone}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_on_the_way_is_not_run() {
    if let Some(reason) = lacks() {
        println!("skipped: {reason}");
        return;
    }
    let agents = tempfile::tempdir().unwrap();
    let place = agents.path().join("quell-agent-linux-x86_64");
    symlink(program().unwrap(), &place).unwrap();
    let world = server(agents.path()).await;
    let made = api(&world, "/api/v1/enrolment-tokens", Some(r#"{"name":"x"}"#)).await;
    let (curl, wget) = (made["install"]["curl"].as_str().unwrap(), made["install"]["wget"].as_str().unwrap());
    let machine = Machine::new();
    // The script.
    let changed = machine.path("changed.sh");
    fs::write(&changed, "touch \"$QUELL_PREFIX/ran\"\n").unwrap();
    let address = format!("{}/install/linux", base(&world));
    let output = machine.run(&curl.replace(&address, &format!("file://{}", changed.display()))).await;
    assert!(!output.status.success() && !machine.path("ran").exists(), "{}", said(&output));
    // The program.
    let script = format!("curl -fsSk {address} -o \"$QUELL_PREFIX/i.sh\"");
    assert!(machine.run(&script).await.status.success());
    fs::remove_file(&place).unwrap();
    fs::copy("/bin/true", &place).unwrap();
    let output = machine.run("echo abc | sh \"$QUELL_PREFIX/i.sh\" --token -").await;
    assert!(!output.status.success() && said(&output).contains("not the one"), "{}", said(&output));
    assert!(!machine.path("usr/sbin/quell-agent").exists());
    // The command that named the script before is over, since the script names another program now.
    for command in [curl, wget] {
        assert!(!machine.run(command).await.status.success());
    }
    assert!(!machine.path("usr/sbin/quell-agent").exists());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_installer_says_what_it_does_not_take() {
    if let Some(reason) = lacks() {
        println!("skipped: {reason}");
        return;
    }
    let agents = tempfile::tempdir().unwrap();
    fs::copy("/bin/true", agents.path().join("quell-agent-linux-x86_64")).unwrap();
    let world = server(agents.path()).await;
    let machine = Machine::new();
    fs::set_permissions(machine.root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let fetch = format!(
        "curl -fsSk {}/install/linux -o \"$QUELL_PREFIX/i.sh\" && chmod 644 \"$QUELL_PREFIX/i.sh\"",
        base(&world)
    );
    assert!(machine.run(&fetch).await.status.success());
    for (arguments, words) in [
        ("", "there is no token"),
        ("--token", "needs a value"),
        ("--token '$(reboot)'", "the token is not one"),
        ("--token abc --server 'a b:1'", "HOST:PORT"),
        ("--token abc --server host", "HOST:PORT"),
        ("--token abc --server host:1x", "HOST:PORT"),
        ("--token abc --server '-x:1'", "HOST:PORT"),
        ("--token abc --from http://evil.example", "https://HOST"),
        ("--token abc --name 'a;b'", "host name"),
        ("--what", "usage"),
    ] {
        let output = machine.run(&format!("sh \"$QUELL_PREFIX/i.sh\" {arguments}")).await;
        assert!(!output.status.success() && said(&output).contains(words), "{arguments}: {}", said(&output));
    }
    if has("setpriv") {
        let output = machine
            .run("setpriv --reuid 65534 --regid 65534 --clear-groups sh \"$QUELL_PREFIX/i.sh\" --token abc")
            .await;
        assert!(!output.status.success() && said(&output).contains("run it as root"), "{}", said(&output));
    }
    // The ways to it: what is there, what is not, and nothing else.
    let asked = |path: &str, more: &str| {
        let line = format!(
            "curl -sk {more} -o \"$QUELL_PREFIX/body\" -w '%{{http_code}}' --path-as-is '{}{path}'",
            base(&world)
        );
        let machine = &machine;
        async move { String::from_utf8(machine.run(&line).await.stdout).unwrap() }
    };
    assert_eq!(asked("/install/agent/linux/x86_64", "").await, "200");
    assert_eq!(fs::read(machine.path("body")).unwrap(), fs::read("/bin/true").unwrap());
    assert_eq!(asked("/install/agent/linux/aarch64", "").await, "404");
    assert!(fs::read_to_string(machine.path("body")).unwrap().contains("--agents"));
    for path in ["x86_64/", "..%2fx86_64", "../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "X86_64", ""] {
        let status = asked(&format!("/install/agent/linux/{path}"), "").await;
        assert!(["401", "404"].contains(&status.as_str()), "{path}: {status}");
    }
    let head = machine.run(&format!("curl -sk -D - -o /dev/null {}/install/linux", base(&world))).await;
    let head = String::from_utf8(head.stdout).unwrap();
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().trim().to_owned();
    assert_eq!(asked("/install/linux", &format!("-H 'If-None-Match: {tag}'")).await, "304");
    assert_eq!(asked("/install/linux", "-X POST -d x").await, "401");
    world.stop().await;
}

#[tokio::test]
async fn a_server_without_agents_offers_no_command() {
    let empty = tempfile::tempdir().unwrap();
    let world = World::with(|config| config.agents = Some(empty.path().to_owned())).await;
    let (status, made) = world.post("/api/v1/enrolment-tokens", serde_json::json!({ "name": "x" })).await;
    assert_eq!((status, &made["install"]), (201, &Value::Null));
    let (status, problem) = world.get("/install/linux").await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("not_found")));
    assert!(problem["hint"].as_str().unwrap().contains("--agents"), "{problem}");
    world.stop().await;
}

#[tokio::test]
async fn a_few_are_handed_out_at_once_and_a_changed_one_is_seen() {
    let agents = tempfile::tempdir().unwrap();
    // More than sockets hold, so that it stays under way while nobody reads.
    fs::File::create(agents.path().join("quell-agent-linux-x86_64")).unwrap().set_len(48 << 20).unwrap();
    let folder = agents.path().to_owned();
    let world = World::with(|config| config.agents = Some(folder)).await;
    let get = |arch: &str| world.request(Method::GET, &format!("/install/agent/linux/{arch}")).send();
    let mut under_way = Vec::new();
    for _ in 0..8 {
        let response = get("x86_64").await.unwrap();
        assert_eq!(response.status(), 200);
        under_way.push(response);
    }
    let refused = get("x86_64").await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()), (503, &b"10"[..]));
    drop(under_way);
    let until = Instant::now() + Duration::from_secs(20);
    while get("x86_64").await.unwrap().status() != 200 {
        assert!(Instant::now() < until, "places are not given back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // The same size and the same time of change, and other bytes.
    let path = agents.path().join("quell-agent-linux-aarch64");
    let mut tags = Vec::new();
    for text in ["one", "two"] {
        fs::write(&path, text).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let response = get("aarch64").await.unwrap();
        tags.push(response.headers()["etag"].clone());
        assert_eq!(response.text().await.unwrap(), text);
    }
    assert_ne!(tags[0], tags[1]);
    world.stop().await;
}
