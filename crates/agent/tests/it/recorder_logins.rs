//! Logins by the programs that let people in: a real SSH server, with accounts, keys and records of its own in the mounts of the
//! test's machine. What the recorder tells is compared with the server's own log and with what last(1) makes of its records.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use quell_wire::activity::{Activity, Deed, Login, ProcessKey};
use quell_wire::protection::{Mode, Protection, Rules};
use serde_json::Value;

use crate::gateway::until;
use crate::recorder::{Chain, World, alone_by, document, executable, give, world_by};
use crate::recorder_load::{compiled, peak, ran, size, told};

const SERVER: &str = "/usr/sbin/sshd";
const PASSWORD: &str = "sesame";
/// Of that, as crypt(3) keeps it.
const KEPT: &str =
    "$6$quell$ML5SjcKLZEqHb4KuxNaCa8f66D7mG354hAHu7QNHyCB1NvAgGR/bbp6rYv6lx7Hq49bcH.n96K9huYnlqSZB/.";

const RULES: &str = "
title: What a test dropped is run
id: 5a4b6f0e-7d8c-4f2e-9a51-3c1d2e4f5a6b
level: high
logsource: {product: linux, category: process_creation}
detection:
  selection:
    Script|endswith: /.dropped
  condition: selection
---
title: Somebody was not let in
id: 0a3d4ad1-9d53-4b3c-8f0f-0b1f7ad3f0a2
level: medium
logsource: {product: linux, category: authentication}
detection:
  selection:
    User: eva
    Outcome: failure
  condition: selection
";

const LET_IN: &str = "
title: Somebody was let in
id: 3c1d2e4f-0a3d-4ad1-8f0f-9d530b1f7ad3
level: medium
logsource: {product: linux, category: authentication}
detection:
  selection:
    Outcome: success
  condition: selection
";

/// What lies over the machine's own, for the agent's mounts alone: empty records, and the account `eva`.
const MOUNTS: &str = "\
mount -t tmpfs none /var/log && touch /var/log/wtmp /var/log/btmp && chmod 600 /var/log/btmp || exit 1
mount -t tmpfs none /run && mkdir /run/sshd && mount -t tmpfs none /home && mkdir -p -m 700 /home/eva/.ssh || exit 1
cp \"$OWN/key.pub\" /home/eva/.ssh/authorized_keys && cp -r /home/eva /home/root && chown -R 1000:1000 /home/eva || exit 1
for file in passwd shadow group; do mount --bind \"$OWN/$file\" /etc/$file || exit 1; done
";

/// A machine with an SSH server.
struct Host {
    world: World,
    own: tempfile::TempDir,
    port: u16,
    server: std::process::Child,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        if std::thread::panicking() {
            println!("--- log of the server\n{}", self.log());
        }
    }
}

fn key(own: &Path, name: &str) {
    let mut generate = Command::new("/usr/bin/ssh-keygen");
    generate.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(own.join(name));
    assert!(generate.status().unwrap().success());
}

/// Files of the machine's own, and how its agent is started.
fn furnish(own: &Path) -> String {
    for name in ["host", "key", "other"] {
        key(own, name);
    }
    let write = |name: &str, text: &str, mode| {
        std::fs::write(own.join(name), text).unwrap();
        std::fs::set_permissions(own.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let accounts = "root:x:0:0:root:/home/root:/bin/sh\nsshd:x:74:65534::/run/sshd:/usr/sbin/nologin\n\
                    nobody:x:65534:65534::/nonexistent:/bin/sh\neva:x:1000:1000::/home/eva:/bin/sh\n";
    write("passwd", accounts, 0o644);
    let locked = ["root", "sshd", "nobody"].map(|name| format!("{name}:*:19000:0:99999:7:::\n")).concat();
    write("shadow", &format!("{locked}eva:{KEPT}:19000:0:99999:7:::\n"), 0o600);
    write("group", "root:x:0:\ntty:x:5:\nutmp:x:43:\neva:x:1000:\nnogroup:x:65534:\n", 0o644);
    write("wrong", "#!/bin/sh\necho open\n", 0o755);
    write("right", &format!("#!/bin/sh\necho {PASSWORD}\n"), 0o755);
    let begin = "built=$1; shift; exec \"${QUELL_TEST_AGENT:-$built}\" \"$@\"";
    format!("OWN={}\n{MOUNTS}{begin}", own.display())
}

fn host() -> Option<Host> {
    host_of(world_by)
}

fn host_of(world: impl Fn(Mode, &str) -> Option<World>) -> Option<Host> {
    for program in [SERVER, "/usr/bin/ssh", "/usr/bin/ssh-keygen"] {
        if !Path::new(program).exists() {
            println!("skipped: {program} is not installed");
            return None;
        }
    }
    let own = tempfile::tempdir().unwrap();
    let world = world(Mode::Detect, &furnish(own.path()))?;
    rules(&world, Protection::default().ring_bytes);
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(world.dir.path(), everybody).unwrap();
    executable(&world.dir.path().join(".dropped"), "#!/bin/sh\n/bin/true $1\n");
    // Free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nUsePAM yes\nPidFile none\nPrintLastLog no\n\
         AuthorizedKeysCommand /usr/bin/true %u\nAuthorizedKeysCommandUser nobody\n",
        own.path().join("host").display()
    );
    std::fs::write(own.path().join("settings"), settings).unwrap();
    let mut server = world.command(&[SERVER, "-D"]);
    server.arg("-E").arg(own.path().join("log")).arg("-f").arg(own.path().join("settings"));
    let host = Host { server: server.spawn().unwrap(), world, own, port };
    until("the server listens", || host.log().contains("Server listening"));
    Some(host)
}

/// Another document, with the rules of these tests.
fn rules(world: &World, ring_bytes: u64) {
    in_force(world, 2, RULES, ring_bytes);
}

fn in_force(world: &World, version: u64, rules: &'static str, ring_bytes: u64) {
    world.gateway.files().script(rules);
    let mut document = document(Mode::Detect);
    document.version = version;
    if ring_bytes > 0 {
        document.ring_bytes = ring_bytes;
    }
    let sha256 = quell_wire::digest::sha256(&[rules.as_bytes()]).to_vec();
    document.behaviour = Some(Rules { sha256, size: rules.len() as u64 });
    give(&world.gateway, &document);
    let count = rules.matches("title:").count();
    until("the rules are in force", || world.status()["rules"]["behaviour"] == count);
}

impl Host {
    fn log(&self) -> String {
        std::fs::read_to_string(self.own.path().join("log")).unwrap_or_default()
    }

    /// `ssh` with what it asks by; whether that went well.
    fn ssh(&self, ask: &str, options: &[&str], user: &str, command: &str) -> bool {
        let mut ssh = self.world.command(&["/usr/bin/env", "SSH_ASKPASS_REQUIRE=force"]);
        ssh.arg(format!("SSH_ASKPASS={}", self.own.path().join(ask).display()));
        ssh.args(["/usr/bin/setsid", "--wait", "/usr/bin/ssh", "-F", "none", "-p", &self.port.to_string()]);
        ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        ssh.args(["-o", "LogLevel=ERROR", "-o", "NumberOfPasswordPrompts=1"]).args(options);
        ssh.args([&format!("{user}@127.0.0.1"), command]);
        ssh.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }

    fn by_key(&self, key: &str, terminal: &str, user: &str, command: &str) -> bool {
        let key = self.own.path().join(key).display().to_string();
        let options =
            ["-i", &key, "-o", "IdentitiesOnly=yes", "-o", "PreferredAuthentications=publickey", terminal];
        self.ssh("wrong", &options, user, command)
    }

    fn by_password(&self, which: &str, command: &str) -> bool {
        self.ssh(which, &["-T", "-o", "PreferredAuthentications=password"], "eva", command)
    }

    /// Runs what is detected, told apart by its argument.
    fn deed(&self, argument: &str) -> String {
        format!("{} {argument}", self.world.path(".dropped"))
    }

    /// Lines of last(1) or lastb(1) about eva; none where it is not installed.
    fn last(&self, program: &str, records: &str) -> Option<Vec<String>> {
        let output = self.world.command(&[program, "-f", records]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<String> =
            text.lines().filter(|line| line.starts_with("eva ")).map(str::to_owned).collect();
        output.status.success().then_some(lines)
    }

    fn seen(&self) -> u64 {
        told(&self.world.status(), "login").0
    }
}

/// Logins of a chain, each with who it was that let them in.
fn logins(chain: &Chain) -> Vec<(ProcessKey, &Login)> {
    let login = |activity: &'_ Activity| activity.process;
    let all = chain.activities.values().filter_map(move |activity| match &activity.deed {
        Some(Deed::Login(found)) => Some((login(activity), found)),
        _ => None,
    });
    all.collect()
}

/// The process that ran the detected script, and its ancestors as the chain has them.
fn lineage(chain: &Chain) -> Vec<ProcessKey> {
    let detected = chain.activities[&chain.detections[0].activity].process;
    let above = |key: &ProcessKey| chain.processes.get(key).and_then(|process| process.parent);
    std::iter::successors(Some(detected), above).collect()
}

/// Waits for the chain of a run that somebody began who came in, and checks who that was.
fn came_in(host: &Host, user: &str, argument: &str) -> Login {
    let chain = host.world.chain(argument, |chain| ran(chain, argument) && !logins(chain).is_empty());
    let story = chain.story();
    let [(process, login)] = logins(&chain)[..] else { panic!("one came in: {story:#?}") };
    assert_eq!((login.user.as_str(), login.from.as_str(), login.failed), (user, "127.0.0.1", false));
    assert!(lineage(&chain).contains(&process), "of the process that serves the session: {story:#?}");
    assert_eq!(chain.processes[&lineage(&chain)[0]].user, user);
    let root = &chain.processes[&chain.root.unwrap()];
    assert!(root.image.path.ends_with(b"/sshd"), "the server's process for this connection: {story:#?}");
    login.clone()
}

#[test]
fn who_comes_in_by_ssh_is_told_with_what_he_does() {
    let Some(host) = host() else { return };
    let mut terminals = Vec::new();
    for user in ["eva", "root"] {
        let on_terminal = format!("{user}-on-a-terminal");
        assert!(host.by_key("key", "-tt", user, &host.deed(&on_terminal)));
        terminals.push(came_in(&host, user, &on_terminal));
        // No terminal: the server writes that nowhere but in its log.
        assert!(host.by_key("key", "-T", user, &host.deed(user)));
        assert_eq!(came_in(&host, user, user).terminal, "");
    }
    assert!(host.by_password("right", &host.deed("by-password")));
    assert_eq!(came_in(&host, "eva", "by-password").terminal, "");
    assert!(terminals.iter().all(|login| login.terminal.starts_with("pts/")), "{terminals:?}");
    if let Some(lines) = host.last("/usr/bin/last", "/var/log/wtmp") {
        assert!(lines.len() == 1, "{lines:?}");
        assert!(
            [&terminals[0].terminal, &terminals[0].from].iter().all(|text| lines[0].contains(*text)),
            "{lines:?}"
        );
    }
    assert_eq!(host.log().matches("Accepted ").count(), 5, "{}", host.log());
    // Many machines keep no such record any more.
    assert!(host.world.command(&["/bin/rm", "/var/log/wtmp"]).status().unwrap().success());
    assert!(host.by_key("key", "-tt", "eva", &host.deed("without-records")));
    assert!(came_in(&host, "eva", "without-records").terminal.starts_with("pts/"));
    println!("6 came in, {} of them by what the server recorded", host.seen());
}

#[test]
fn who_is_refused_by_ssh_is_told_and_a_refused_key_only_by_the_server() {
    let Some(host) = host() else { return };
    let before = host.seen();
    assert!(!host.by_password("wrong", "true"));
    let chain = host.world.chain("a refusal", |chain| {
        chain.detections.iter().any(|detection| detection.title == "Somebody was not let in")
    });
    let activity = &chain.activities[&chain.detections[0].activity];
    let Some(Deed::Login(login)) = &activity.deed else { panic!("{activity:?}") };
    assert_eq!((login.user.as_str(), login.from.as_str(), login.failed), ("eva", "127.0.0.1", true));
    let by = &chain.processes[&activity.process];
    assert!(by.image.path.ends_with(b"/sshd"), "{by:?}");
    let failed = host.log().matches("Failed password for eva").count();
    let records = host.last("/usr/bin/lastb", "/var/log/btmp");
    assert_eq!((failed, records.as_ref().map_or(1, Vec::len)), (1, 1), "{records:?} {}", host.log());
    // The server itself records refused passwords alone.
    assert!(!host.by_key("other", "-T", "eva", "true"));
    until("the key is refused", || host.log().contains("Connection closed by authenticating user eva"));
    assert!(host.by_key("key", "-tt", "eva", &host.deed("later")));
    came_in(&host, "eva", "later");
    assert_eq!(host.seen() - before, 2, "one was refused, one was let in");
}

#[test]
fn who_comes_in_hides_neither_that_nor_from_where() {
    let Some(host) = host_of(alone_by) else { return };
    let key = host.own.path().join("key").display().to_string();
    let long = format!("SetEnv=LC_A={}", "a".repeat(20_000));
    let options = ["-i", &key, "-o", "IdentitiesOnly=yes", "-T", "-o", &long];
    assert!(host.ssh("wrong", &options, "root", &host.deed("behind-much")));
    came_in(&host, "root", "behind-much");
    let bare = format!("exec env -i A=1 /bin/sh -c '{}'", host.deed("without-anything"));
    assert!(host.by_key("key", "-T", "root", &bare));
    came_in(&host, "root", "without-anything");
    // More connections than are kept in mind pass before this one is let in.
    let others = format!(
        "#!/bin/bash\nfor i in {{1..2500}}; do exec 3<>/dev/tcp/127.0.0.1/{}; exec 3>&-; done\necho {PASSWORD}\n",
        host.port
    );
    executable(&host.own.path().join("slow"), &others);
    assert!(host.by_password("slow", &host.deed("among-many")));
    came_in(&host, "eva", "among-many");
}

/// Loaded into the server's program by whoever runs it: begins what is root's, a set-user-ID program, and what is anybody's, both
/// with the mark of a session.
const FORGE: &str = r#"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void begin(char *program, char *second, char *environment) {
    char *arguments[] = {program, second, 0}, *names[] = {environment, 0};
    int child = fork(), none = open("/dev/null", O_RDWR);
    if (child == 0) {
        for (int n = 0; n < 3; n++) dup2(none, n);
        alarm(8);
        execve(program, arguments, names);
        _exit(4);
    }
    waitpid(child, 0, 0);
}
__attribute__((constructor)) static void forge(void) {
    if (!getenv("FORGE")) return;
    begin("/usr/bin/su", "root", "SSH_CONNECTION=198.51.100.66 1 2 3");
    begin("/usr/bin/sleep", "0", "SSH_CONNECTION=198.51.100.66 1 2 3");
    _exit(0);
}
"#;

#[test]
fn who_runs_the_servers_program_lets_nobody_in() {
    let Some(host) = host() else { return };
    if !compiled(&host.world, "forge", FORGE, &["-shared", "-fPIC"]) {
        return;
    }
    in_force(&host.world, 3, LET_IN, 0);
    let mut run = host.world.command(&["/usr/bin/setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]);
    run.args(["/usr/bin/env", "FORGE=1"])
        .arg(format!("LD_PRELOAD={}", host.world.path("forge")))
        .args([SERVER, "-V"]);
    assert!(run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    // What came before is told by then.
    assert!(host.by_key("key", "-T", "root", "true"));
    let is_told = |chain: &Chain| logins(chain).iter().any(|(_, login)| login.from == "127.0.0.1");
    host.world.chain("who came in", is_told);
    let told = host.world.chains.lock().unwrap();
    let all: Vec<_> = told.values().flat_map(logins).collect();
    assert_eq!(all.len(), 1, "{all:#?}");
}

/// Writes so many records of refused logins as fast as it can, by what the C library has for it; in their midst, that it was let
/// in itself. Then it becomes what it is told.
const FLOOD: &str = r#"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include <utmp.h>
#define AT_ONCE 1000
static struct utmp records[AT_ONCE];
static void fill(struct utmp *record, int kind, const char *user) {
    struct timeval now;
    gettimeofday(&now, 0);
    memset(record, 0, sizeof *record);
    record->ut_type = kind;
    record->ut_pid = getpid();
    record->ut_tv.tv_sec = now.tv_sec;
    record->ut_tv.tv_usec = now.tv_usec;
    strcpy(record->ut_line, "ssh:notty");
    strcpy(record->ut_host, "198.51.100.7");
    strcpy(record->ut_user, user);
}
int main(int argc, char **argv) {
    long count = atol(argv[1]) / AT_ONCE;
    int file = open("/var/log/btmp", O_WRONLY | O_APPEND);
    struct utmp good;
    for (int n = 0; n < AT_ONCE; n++) fill(&records[n], LOGIN_PROCESS, "root");
    for (long n = 0; n < count; n++) {
        if (write(file, records, sizeof records) != sizeof records) return 1;
        if (n != count / 2) continue;
        fill(&good, USER_PROCESS, "eva");
        updwtmp("/var/log/wtmp", &good);
    }
    puts("written");
    fflush(stdout);
    execl(argv[2], argv[2], "after-it", (char *) 0);
    return 1;
}
"#;

#[test]
fn a_flood_of_refused_logins_hides_neither_who_was_let_in_nor_what_runs() {
    const COUNT: u64 = 200_000;
    let start = "mount -t tmpfs none /var/log && touch /var/log/wtmp /var/log/btmp || exit 1\n\
                 built=$1; shift; exec \"${QUELL_TEST_AGENT:-$built}\" \"$@\"";
    let Some(mut world) = alone_by(Mode::Detect, start) else { return };
    if !compiled(&world, "flood", FLOOD, &[]) {
        return;
    }
    let bound = 4 << 20;
    rules(&world, bound);
    executable(&world.dir.path().join(".dropped"), "#!/bin/sh\n/bin/true $1\n");
    let (before, began) = (world.status(), Instant::now());
    let mut flood = world.command(&["./flood", &COUNT.to_string(), "./.dropped"]);
    assert!(flood.stdout(Stdio::null()).status().unwrap().success());
    let written = began.elapsed();
    let chain = world.chain("what ran after it", |chain| ran(chain, "after-it"));
    let detected = began.elapsed();
    let mut largest = 0;
    let number = |status: &Value| {
        let ((seen, lost), (seen_before, _)) = (told(status, "login"), told(&before, "login"));
        (seen - seen_before, lost)
    };
    for records in [COUNT / 2, COUNT + 1] {
        until("records", || {
            largest = largest.max(size(&world));
            let (seen, lost) = number(&world.status());
            seen + lost >= records
        });
    }
    let took = began.elapsed();
    let status = world.status();
    println!(
        "{COUNT} records in {written:?}, read in {took:?}, {} lost; a run after it told {detected:?} after its begin; on the \
         disk at most {largest} bytes; at most {} KiB; {:?}",
        number(&status).1,
        peak(&world),
        chain.gaps
    );
    let chain = if logins(&chain).iter().any(|(_, login)| !login.failed) {
        chain
    } else {
        world.chain("who was let in", |chain| logins(chain).iter().any(|(_, login)| !login.failed))
    };
    let good = logins(&chain).into_iter().find(|(_, login)| !login.failed).unwrap();
    assert_eq!((good.1.user.as_str(), good.1.from.as_str()), ("eva", "198.51.100.7"));
    assert!(chain.activities.len() <= quell_wire::limits::CHAIN_ACTIVITIES);
    assert_eq!(number(&status), (COUNT + 1, 0), "{}", status["lost"]);
    // Its log, and what is written between two looks.
    assert!(largest < bound + (8 << 20), "{largest}");
    until("the oldest is gone", || world.status()["ring"]["used"].as_u64().unwrap() <= bound);
    assert!(peak(&world) < 160 << 10, "{}", peak(&world));
    assert!(world.endpoint.is_running() && status["falls"] == 0);
}
