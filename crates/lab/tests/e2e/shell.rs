//! Remote shells: a terminal of a real server on a real endpoint, what a second person sees of it, what a break of the
//! network takes from it (nothing), and what is left of it (a recording, and no process).

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use quell_host::pty;
use quell_host::script::Launcher;
use quell_lab::site::{Machine, Programs, Site};
use quell_wire::shell::{SUBPROTOCOL, decode_bytes, encode_bytes};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::managed::{people, posted};
use crate::{ended, id, site, succeeded, until};

const ACTION: &str = "endpoint.remote_shell";
const PEN: &str = "abcdefghijklmnop";
const LATE: Duration = Duration::from_secs(40);

/// A person's end of a shell.
pub(crate) struct Terminal {
    runtime: tokio::runtime::Runtime,
    socket: WebSocketStream<TcpStream>,
    shown: Vec<u8>,
    /// The offset of the next output, and of the next input.
    output: u64,
    input: u64,
    messages: Vec<Value>,
    verbs: u64,
    is_over: bool,
}

fn request(site: &Site, key: &str, path: &str) -> ClientRequestBuilder {
    let uri = format!("{}/api/v1{path}", site.server.url().replacen("http", "ws", 1)).parse().unwrap();
    ClientRequestBuilder::new(uri)
        .with_sub_protocol(SUBPROTOCOL)
        .with_header("Authorization", format!("Bearer {key}"))
}

async fn connect(
    site: &Site,
    request: ClientRequestBuilder,
) -> Result<WebSocketStream<TcpStream>, tungstenite::Error> {
    let address = site.server.url().replacen("http://", "", 1);
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    tokio_tungstenite::client_async(request, stream).await.map(|(socket, _)| socket)
}

/// The status with which a connection is refused.
fn refused(site: &Site, request: ClientRequestBuilder) -> u16 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(connect(site, request)) {
        Err(tungstenite::Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("{other:?}"),
    }
}

impl Terminal {
    fn attach(site: &Site, key: &str, shell: &str, pen: Option<&str>, from: Option<u64>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut query: Vec<String> = Vec::new();
        query.extend(pen.map(|pen| format!("pen={pen}")));
        query.extend(from.map(|from| format!("from={from}")));
        let path = format!("/shells/{shell}/attach?{}", query.join("&"));
        let socket = runtime.block_on(connect(site, request(site, key, &path))).unwrap();
        let (shown, messages) = (Vec::new(), Vec::new());
        let mut terminal =
            Self { runtime, socket, shown, output: 0, input: 0, messages, verbs: 0, is_over: false };
        let hello = terminal.message("hello", |_| true);
        terminal.input = hello["input"].as_u64().unwrap();
        terminal.output = hello["output"].as_u64().unwrap();
        terminal
    }

    /// Takes what comes, for a moment.
    fn pump(&mut self) {
        let heard = self
            .runtime
            .block_on(async { tokio::time::timeout(Duration::from_millis(20), self.socket.next()).await });
        match heard {
            Ok(Some(Ok(Message::Binary(bytes)))) => {
                let (offset, data) = decode_bytes(&bytes).unwrap();
                assert_eq!(offset, self.output, "output with a gap, or twice");
                self.output += data.len() as u64;
                self.shown.extend_from_slice(data);
                self.send(Message::Text(json!({ "type": "ack", "output": self.output }).to_string().into()));
            }
            Ok(Some(Ok(Message::Text(text)))) => self.messages.push(serde_json::from_str(&text).unwrap()),
            Ok(Some(Ok(_))) | Err(_) => {}
            Ok(None | Some(Err(_))) => self.is_over = true,
        }
    }

    fn send(&mut self, message: Message) {
        let _ = self.runtime.block_on(self.socket.send(message));
    }

    pub(crate) fn say(&mut self, text: &str) {
        let message = Message::Binary(encode_bytes(self.input, text.as_bytes()).into());
        self.input += text.len() as u64;
        self.send(message);
    }

    /// Until the terminal shows this; answers what came before it.
    fn shows(&mut self, wanted: &str) -> String {
        let began = Instant::now();
        loop {
            let text = String::from_utf8_lossy(&self.shown).into_owned();
            if let Some(at) = text.find(wanted) {
                self.shown = text.as_bytes()[at + wanted.len()..].to_vec();
                return text[..at].to_owned();
            }
            assert!(
                began.elapsed() < LATE && !self.is_over,
                "no {wanted:?} in {text:?}; {:?}",
                self.messages
            );
            self.pump();
        }
    }

    /// The first message of this kind that is so.
    fn message(&mut self, kind: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            if let Some(at) =
                self.messages.iter().position(|message| message["type"] == kind && is_so(message))
            {
                return self.messages.remove(at);
            }
            assert!(began.elapsed() < LATE && !self.is_over, "no {kind}: {:?}", self.messages);
            self.pump();
        }
    }

    fn tell(&mut self, message: &Value) {
        self.send(Message::Text(message.to_string().into()));
    }

    /// The answer of a verb.
    fn verb(&mut self, verb: &str, arguments: &[&str]) -> Value {
        self.verbs += 1;
        let number = self.verbs;
        self.tell(&json!({ "type": "verb", "id": number, "verb": verb, "arguments": arguments }));
        self.message("answer", |answer| answer["id"] == number && answer["is_over"] == true)
    }

    pub(crate) fn run(&mut self, command: &str) -> String {
        self.say(&format!("{command}; echo do''ne\n"));
        self.shows("done\r\n")
    }

    fn end(&mut self) -> Value {
        self.message("end", |_| true)
    }
}

/// A shell that its endpoint began: the task, and the shell's id.
fn begin(site: &Site, name: &str, params: &Value) -> (Value, String) {
    let task = site.submit(name, ACTION, params).unwrap();
    let task = site.command_in(&task, "running").unwrap();
    let shell = id(&task["commands"]["items"][0]).to_owned();
    (task, shell)
}

/// An open shell: the task, the shell's id, and the terminal of who may type.
pub(crate) fn open(site: &Site, name: &str, params: &Value) -> (Value, String, Terminal) {
    let (task, shell) = begin(site, name, params);
    let terminal = Terminal::attach(site, site.server.key(), &shell, Some(PEN), Some(0));
    (task, shell, terminal)
}

fn processes(machine: &Machine, pattern: &str) -> usize {
    let look = format!(
        "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null; echo; done | grep -c '^{pattern}'; :"
    );
    crate::said(machine, &look).parse().unwrap()
}

fn key(site: &Site, name: &str, role: &str) -> String {
    let made = site.api.post("/api-keys", &json!({ "name": name, "role": role })).unwrap().good().unwrap();
    made["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_shell_is_used_seen_by_another_and_recorded() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let (task, shell, mut terminal) = open(&site, "web-1", &json!({ "shell": "sh", "directory": "/root" }));

    // A real terminal: the effect is on the endpoint.
    assert!(terminal.run("id -un; pwd; tty").contains("/dev/pts/"));
    terminal.run("echo seen > /root/mark");
    assert_eq!(std::fs::read_to_string(web.endpoint.path("/root/mark")).unwrap(), "seen\n");
    terminal.tell(&json!({ "type": "resize", "cols": 132, "rows": 50 }));
    terminal.message("state", |state| state["cols"] == 132);
    assert!(terminal.run("stty size").contains("50 132"));

    // A password is neither shown nor recorded.
    terminal.say("stty -echo; echo ask; read secret; stty echo; echo got-${#secret}\n");
    terminal.shows("ask\r\n");
    terminal.say("swordfish\n");
    terminal.message("taken", |taken| taken["is_hidden"] == true);
    terminal.shows("got-9\r\n");

    // Somebody else looks on, sees what was and what comes, and cannot type.
    let other = key(&site, "watcher", "administrator");
    assert_eq!(refused(&site, request(&site, &other, &format!("/shells/{shell}/attach?pen={PEN}"))), 403);
    let mut watcher = Terminal::attach(&site, &other, &shell, None, Some(0));
    watcher.shows("got-9\r\n");
    assert_eq!(watcher.message("state", |_| true)["is_writer"], false);
    watcher.message("beat", |_| true);
    let listed = |query: &str| {
        let page = site.api.get(&format!("/shells?{query}")).unwrap().good().unwrap();
        page["items"].as_array().unwrap().iter().any(|row| row["id"] == shell.as_str())
    };
    assert!(listed("state=open&endpoint=web-1") && !listed("state=ended"));
    assert_eq!(site.api.get("/shells?state=other").unwrap().status, 400);
    watcher.say("touch /root/intruder\n");
    terminal.run("echo both''see");
    watcher.shows("bothsee");
    terminal.message("state", |state| state["people"].as_array().is_some_and(|people| people.len() == 2));
    assert!(!web.endpoint.path("/root/intruder").exists());

    verbs(&site, &web, &shell, &mut terminal);

    // The second person ends it; nothing of it is left.
    terminal.say("sleep 4711 & setsid sleep 4712 & trap '' HUP; sleep 4713\n");
    until("the last sleep", || processes(&web, "sleep 471") == 3);
    watcher.tell(&json!({ "type": "end" }));
    for end in [terminal.end(), watcher.end()] {
        assert_eq!((end["reason"].as_str(), end["by"].as_str()), (Some("person"), Some("watcher")));
    }
    let task = site.ended(&task).unwrap();
    let outcome = &succeeded(&task)["outcome"];
    assert_eq!((outcome["ended"].as_str(), outcome["ended_by"].as_str()), (Some("person"), Some("watcher")));
    assert_eq!(processes(&web, "sleep 471"), 0);

    // The recording: whole, hashed, searchable, without the password.
    let artifact = outcome["recording"]["artifact_id"].as_str().unwrap();
    let cast = site.api.get(&format!("/artifacts/{artifact}/content")).unwrap();
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&cast.bytes);
    let hex = digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    assert_eq!(outcome["recording"]["sha256"], hex.as_str());
    let text = String::from_utf8(cast.bytes).unwrap();
    assert!(
        text.starts_with('{') && text.contains("\"r\",\"132x50\"") && text.contains("\"i\",\"***\""),
        "{text}"
    );
    assert!(!text.contains("swordfish"));
    assert_eq!(site.api.get(&format!("/shells/{shell}/recording")).unwrap().bytes, text.as_bytes());
    let search = |wanted: &str| {
        site.api.get(&format!("/shells/{shell}/search?text={wanted}")).unwrap().good().unwrap()["matches"]
            .clone()
    };
    assert!(!search("BOTHSEE").as_array().unwrap().is_empty());
    let moved: Vec<_> = outcome["files"].as_array().unwrap().iter().collect();
    let named =
        |file: &Value| format!("{} {}", file["verb"].as_str().unwrap(), file["path"].as_str().unwrap());
    let sleep = crate::said(&web, "readlink -f $(command -v sleep)");
    let names: Vec<_> = moved.iter().copied().map(named).collect();
    assert_eq!(names, [format!("memdump {sleep}"), "get /root/abc".into(), "put /root/tool".into()]);
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!((&moved[1]["size"], &moved[1]["sha256"]), (&json!(3), &json!(abc)), "{outcome:#}");
    assert_eq!(moved[2]["sha256"], moved[2]["artifact"]["sha256"], "{outcome:#}");
    verified(&site, id(&task));
    assert!(listed("state=ended") && !listed("state=open"));
    let view = site.api.get(&format!("/shells/{shell}")).unwrap().good().unwrap();
    assert_eq!(
        (view["state"].as_str(), view["reason"].as_str()),
        (Some("ended"), Some("person")),
        "{view:#}"
    );
    let trail = site.api.get("/audit?limit=200").unwrap().good().unwrap().to_string();
    for verb in [
        "shell.open",
        "shell.attach",
        "shell.watch",
        "shell.verb",
        "shell.give",
        "shell.stop",
        "shell.end",
        "shell.replay",
    ] {
        assert!(trail.contains(verb), "{verb} is not in the trail");
    }
    assert!(!trail.contains("swordfish"));
    assert!(search("swordfish").as_array().unwrap().is_empty());
    assert_eq!(refused(&site, request(&site, site.server.key(), &format!("/shells/{shell}/attach"))), 409);
}

/// What the shell left is verified offline: the endpoint sealed the recording, and each file that was got or given.
fn verified(site: &Site, task: &str) {
    let folder = site.folder.path();
    let listed = site.api.get(&format!("/artifacts?task={task}")).unwrap().good().unwrap();
    let files = listed["items"].as_array().unwrap();
    assert!(files.len() >= 4, "a recording, two that were got, one that was given: {listed:#}");
    for file in files {
        let artifact = id(file);
        let mut custody = Value::Null;
        until("a receipt", || {
            custody = site.api.get(&format!("/artifacts/{artifact}/custody")).unwrap().good().unwrap();
            custody["receipt"].is_object() && custody["seal"].is_object()
        });
        let bytes = site.api.get(&format!("/artifacts/{artifact}/content")).unwrap().bytes;
        std::fs::write(folder.join("kept"), bytes).unwrap();
        std::fs::write(folder.join("kept.json"), custody.to_string()).unwrap();
        let mut program = std::process::Command::new(Programs::of_this_build().unwrap().server);
        program.args(["artifacts", "verify", "kept", "--receipt", "kept.json"]).current_dir(folder);
        let output = program.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("seal holds"), "{} {said}", file["kind"]);
    }
}

fn verbs(site: &Site, web: &Machine, shell: &str, terminal: &mut Terminal) {
    let help = terminal.verb("help", &[]);
    assert_eq!(help["result"]["rows"].as_array().unwrap().len(), 9, "{help:#}");
    std::fs::write(web.endpoint.path("/root/abc"), b"abc").unwrap();
    let listed = terminal.verb("ls", &["/root"]);
    assert!(listed["result"]["rows"].to_string().contains("\"abc\""), "{listed:#}");
    let hash = terminal.verb("hash", &["/root/abc"]);
    assert_eq!(hash["result"]["sha1"], "a9993e364706816aba3e25717850c26c9cd0d89d");
    terminal.run("sleep 4700 & true");
    until("the sleep", || processes(web, "sleep 4700") == 1);
    let listed = terminal.verb("ps", &[]);
    let rows = listed["result"]["rows"].as_array().unwrap();
    let sleep = rows.iter().find(|row| row["command"] == "sleep 4700").unwrap();
    let (pid, start) = (sleep["pid"].to_string(), sleep["start"].to_string());
    let wrong = terminal.verb("kill", &[&pid, "1"]);
    assert_eq!((wrong["is_ok"].as_bool(), processes(web, "sleep 4700")), (Some(false), 1), "{wrong:#}");
    let dumped = terminal.verb("memdump", &[&pid, &start]);
    assert_eq!(dumped["is_ok"], true, "{dumped:#}");
    let killed = terminal.verb("kill", &[&pid, &start]);
    assert_eq!((killed["is_ok"].as_bool(), processes(web, "sleep 4700")), (Some(true), 0), "{killed:#}");
    let sockets = terminal.verb("netstat", &[]);
    assert!(sockets["result"]["rows"].to_string().contains("ESTABLISHED"), "{sockets:#}");
    // Files both ways.
    let got = terminal.verb("get", &["/root/abc"]);
    let stored = site.api.get(&format!("/artifacts/{}", got["result"]["artifact_id"].as_str().unwrap()));
    let stored = stored.unwrap().good().unwrap();
    assert_eq!(
        (stored["state"].as_str(), stored["sha256"].as_str()),
        (Some("stored"), got["result"]["archive_sha256"].as_str())
    );
    let given = site
        .api
        .post_raw(&format!("/shells/{shell}/files"), b"#!/bin/sh\n".to_vec())
        .unwrap()
        .good()
        .unwrap();
    let given = given["artifact_id"].as_str().unwrap();
    let put = terminal.verb("put", &[given, "/root/tool"]);
    assert_eq!(put["is_ok"], true, "{put:#}");
    assert_eq!(std::fs::read(web.endpoint.path("/root/tool")).unwrap(), b"#!/bin/sh\n");
    assert_eq!(terminal.verb("put", &[given, "/root/tool"])["is_ok"], false, "not over another file");
    for (verb, arguments) in [
        ("get", vec!["/nonexistent"]),
        ("put", vec![shell, "/root/x"]),
        ("rm", vec!["/"]),
        ("ls", vec!["a", "b"]),
    ] {
        assert_eq!(terminal.verb(verb, &arguments)["is_ok"], false, "{verb}");
    }
}

/// The verbs of a shell that is not root's do what its account may, and nothing more.
#[test]
fn verbs_have_the_rights_of_the_shells_account() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    crate::said(
        &web,
        "echo 'mel:x:4321:4321::/home/mel:/bin/sh' >> /etc/passwd && echo 'mel:x:4321:' >> /etc/group && \
         mkdir -p /home/mel && echo mine > /home/mel/mine && chown -R mel:mel /home/mel && \
         echo secret > /root/secret && chmod 600 /root/secret && mkdir -m 700 /root/closed && \
         cp /root/secret /home/mel/roots && chmod 640 /home/mel/roots && (setsid sleep 4731 > /dev/null 2>&1 &)",
    );
    until("the sleep of root", || processes(&web, "sleep 4731") == 1);
    let (pid, start) = crate::process(&web, "sleep 4731");
    let (pid, start) = (pid.to_string(), start.to_string());
    let (task, shell, mut terminal) = open(&site, "web-1", &json!({ "shell": "sh", "user": "mel" }));
    assert!(terminal.run("id -un; pwd").contains("mel"));

    // What is root's own is neither brought in, nor hashed, nor listed; nor by a link of the account's own.
    terminal.run("ln -s /root/secret link");
    for (verb, path) in [
        ("get", "/root/secret"),
        ("get", "/home/mel/roots"),
        ("get", "/home/mel/link"),
        ("get", "/etc/shadow"),
        ("get", "/var/lib/quell-agent/identity.json"),
        ("hash", "/root/secret"),
        ("hash", "/home/mel/link"),
        ("ls", "/root/closed"),
        ("ls", "/proc/self/fd"),
    ] {
        let answer = terminal.verb(verb, &[path]);
        assert_eq!(answer["is_ok"], false, "{verb} {path}: {answer:#}");
    }
    let got = terminal.verb("get", &["/home/mel/mine"]);
    assert_eq!((&got["is_ok"], &got["result"]["size"]), (&json!(true), &json!(5)), "{got:#}");

    // What is given is the account's own, where the account may write, and nowhere else.
    let given = site.api.post_raw(&format!("/shells/{shell}/files"), b"given".to_vec()).unwrap();
    let given = given.good().unwrap()["artifact_id"].as_str().unwrap().to_owned();
    let put = terminal.verb("put", &[&given, "/home/mel/tool"]);
    assert_eq!(put["is_ok"], true, "{put:#}");
    let facts = crate::said(&web, "stat -c '%U %G %a %s' /home/mel/tool");
    assert_eq!(facts, "mel mel 600 5");
    for (path, force) in
        [("/root/x", false), ("/etc/cron.d/x", false), ("/etc/passwd", true), ("/usr/bin/x", false)]
    {
        let arguments = [given.as_str(), path, "--force"];
        let put = terminal.verb("put", &arguments[..2 + usize::from(force)]);
        assert_eq!(put["is_ok"], false, "{path}: {put:#}");
    }
    assert_eq!(crate::said(&web, "ls /root/x /usr/bin/x 2>/dev/null; grep -c mel /etc/passwd"), "1");

    // No process is ended or read by the agent for it: not root's, and not its own, which it can do by itself.
    for verb in ["kill", "memdump"] {
        let answer = terminal.verb(verb, &[&pid, &start]);
        assert_eq!(answer["is_ok"], false, "{verb}: {answer:#}");
        assert!(answer["message"].as_str().unwrap().contains("acts as root"), "{answer:#}");
    }
    assert_eq!(processes(&web, "sleep 4731"), 1);
    terminal.tell(&json!({ "type": "end" }));
    terminal.end();
    let task = site.ended(&task).unwrap();
    let files = &succeeded(&task)["outcome"]["files"];
    let paths: Vec<_> = files.as_array().unwrap().iter().map(|file| file["path"].clone()).collect();
    assert_eq!(paths, ["/home/mel/mine", "/home/mel/tool"], "{files:#}");
}

/// Drops everything that the endpoint sends and gets, without a word to anybody.
fn cut(machine: &Machine) {
    crate::said(
        machine,
        "nft 'add table inet cut; add chain inet cut i { type filter hook input priority -300; policy drop; }; \
         add chain inet cut o { type filter hook output priority -300; policy drop; }'",
    );
}

fn mend(machine: &Machine) {
    crate::said(machine, "nft delete table inet cut");
}

#[test]
fn nothing_is_lost_or_doubled_by_breaks() {
    let Some(mut site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let (task, shell, mut terminal) = open(&site, "web-1", &json!({ "shell": "sh" }));
    let numbers = |text: &str| -> Vec<u32> {
        text.lines().filter_map(|line| line.trim().strip_prefix("n=")?.parse().ok()).collect()
    };

    // The endpoint's leg, for longer than a line is believed in: the terminal goes on writing meanwhile.
    terminal.say("i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo n=$i; sleep 0.05; done; echo fin''ished\n");
    terminal.shows("n=10\r\n");
    cut(&web);
    terminal.message("state", |state| state["state"] == "lost");
    terminal.say("echo typed >> /root/typed\n");
    mend(&web);
    terminal.message("state", |state| state["state"] == "open");
    let counted = numbers(&terminal.shows("finished\r\n"));
    assert_eq!(counted, (11..=400).collect::<Vec<_>>());
    let typed = web.endpoint.path("/root/typed");
    until("what was typed meanwhile", || std::fs::read_to_string(&typed).is_ok_and(|text| text == "typed\n"));

    // The person's leg: comes back where it was.
    terminal.say("i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo n=$i; sleep 0.02; done; echo fin''ished\n");
    terminal.shows("n=5\r\n");
    let (output, rest) = (terminal.output, terminal.shown.clone());
    drop(terminal);
    let mut terminal = Terminal::attach(&site, site.server.key(), &shell, Some(PEN), Some(output));
    terminal.shown = rest;
    assert_eq!(numbers(&terminal.shows("finished\r\n")), (6..=100).collect::<Vec<_>>());

    // The server's death: the endpoint keeps what it wrote, and the recording goes on where it was.
    terminal.say("i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo n=$i; sleep 0.05; done; echo fin''ished\n");
    terminal.shows("n=5\r\n");
    let (output, rest) = (terminal.output, terminal.shown.clone());
    site.server.kill();
    drop(terminal);
    site.server.restart().unwrap();
    let mut terminal = Terminal::attach(&site, site.server.key(), &shell, Some(PEN), Some(output));
    terminal.shown = rest;
    assert_eq!(numbers(&terminal.shows("finished\r\n")), (6..=100).collect::<Vec<_>>());
    terminal.say("exit 3\n");
    let end = terminal.end();
    assert_eq!((end["reason"].as_str(), end["exit_code"].as_i64()), (Some("exited"), Some(3)));
    let task = site.ended(&task).unwrap();
    assert_eq!(succeeded(&task)["outcome"]["exit_code"], 3);
    let cast = site.api.get(&format!("/shells/{shell}/recording")).unwrap();
    assert_eq!(String::from_utf8_lossy(&cast.bytes).matches("finished").count(), 3, "each once");
    assert_eq!(std::fs::read_to_string(&typed).unwrap(), "typed\n");
}

#[test]
fn whatever_ends_it_leaves_a_recording_and_no_process() {
    let Some(site) = site() else { return };
    let mut web = site.machine("web-1").unwrap();
    let recorded = |shell: &str| {
        let view = site.api.get(&format!("/shells/{shell}")).unwrap().good().unwrap();
        (view["reason"].clone(), view["recording"]["size"].as_i64().unwrap_or(0) > 0)
    };
    let sleeping = |terminal: &mut Terminal| {
        terminal.say("setsid sleep 4720 & sleep 4721\n");
        until("two sleeps", || processes(&web, "sleep 472") == 2);
    };

    // Called off.
    let (task, shell, mut terminal) = open(&site, "web-1", &json!({}));
    sleeping(&mut terminal);
    site.api.post(&format!("/tasks/{}/cancel", id(&task)), &Value::Null).unwrap().good().unwrap();
    assert_eq!(terminal.end()["reason"], "canceled");
    assert_eq!(ended(&site.ended(&task).unwrap()).0, "canceled");
    assert_eq!((recorded(&shell), processes(&web, "sleep 472")), ((json!("canceled"), true), 0));

    // It writes too much. Another one is not held up by that.
    let (task, shell, mut flood) = open(&site, "web-1", &json!({ "max_output_mib": 8 }));
    let (_, quiet, mut other) = open(&site, "web-1", &json!({ "shell": "sh" }));
    flood.say("yes flood\n");
    let slowest = (0..20).map(|number| {
        let began = Instant::now();
        other.run(&format!("echo {number}"));
        flood.pump();
        began.elapsed()
    });
    let slowest = slowest.max().unwrap();
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    println!("beside a flood a command was answered within {slowest:?}");
    assert_eq!(flood.end()["reason"], "output_limit");
    succeeded(&site.ended(&task).unwrap());
    assert_eq!(recorded(&shell), (json!("output_limit"), true));
    other.tell(&json!({ "type": "end" }));
    assert_eq!(other.end()["reason"], "person");
    until("its recording", || recorded(&quiet).1);

    // Too many processes.
    let (task, shell, mut bomb) = open(&site, "web-1", &json!({ "shell": "sh" }));
    bomb.say("i=0; while [ $i -lt 3000 ]; do sleep 4722 & i=$((i+1)); done\n");
    assert_eq!(bomb.end()["reason"], "too_many_processes");
    succeeded(&site.ended(&task).unwrap());
    assert_eq!((recorded(&shell).1, processes(&web, "sleep 472")), (true, 0));

    // The agent is killed: the terminal goes with it, and the server has what there was.
    let (task, shell, mut terminal) = open(&site, "web-1", &json!({}));
    sleeping(&mut terminal);
    assert_eq!(terminal.verb("get", &["/etc/passwd"])["is_ok"], true);
    web.kill_agent().unwrap();
    until("the end of what it held", || processes(&web, "sleep 472") == 0);
    web.start_agent().unwrap();
    assert_eq!(terminal.end()["reason"], "agent_stopped");
    let task = site.ended(&task).unwrap();
    assert_eq!(ended(&task), ("failed", "agent_stopped"), "{task:#}");
    assert_eq!(task["commands"]["items"][0]["outcome"]["files"][0]["path"], "/etc/passwd", "{task:#}");
    assert_eq!(recorded(&shell), (json!("agent_stopped"), true));
}

/// What a shell must not outlive: the line to the server, and the approval that it was asked for with.
#[test]
fn an_endpoint_that_is_away_and_an_approval_that_is_over_end_a_shell() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let (_, _, mut terminal) = open(&site, "web-1", &json!({ "away_seconds": 10 }));
    terminal.say("setsid sleep 4723 & echo be''gun\n");
    terminal.shows("begun\r\n");
    cut(&web);
    let took = until("the end of what it held", || {
        terminal.pump();
        processes(&web, "sleep 4723") == 0
    });
    assert!(took > Duration::from_secs(8), "not before it was away for ten seconds: {took:?}");
    mend(&web);
    assert_eq!(terminal.end()["reason"], "away");

    let (_, arno, olga) = people(&site);
    let body = json!({ "action": ACTION, "targets": { "endpoints": ["web-1"] }, "reason": "a look around" });
    let task = posted(&olga, "/tasks", &body);
    assert_eq!(task["state"], "pending_approval", "{task:#}");
    let yes = json!({ "digest": task["intent_sha256"], "valid_for_seconds": 8 });
    posted(&arno, &format!("/approvals/{}/approve", id(&task)), &yes);
    let running = site.command_in(&task, "running").unwrap();
    let shell = id(&running["commands"]["items"][0]).to_owned();
    let mut terminal = Terminal::attach(&site, olga.key(), &shell, Some(PEN), Some(0));
    terminal.say("setsid sleep 4724 & echo be''gun\n");
    terminal.shows("begun\r\n");
    assert_eq!(terminal.end()["reason"], "approval_over");
    until("the end of what it held", || processes(&web, "sleep 4724") == 0);
    let view = site.api.get(&format!("/shells/{shell}")).unwrap().good().unwrap();
    assert_eq!(view["reason"], "approval_over", "{view:#}");
    assert!(view["recording"]["size"].as_i64().unwrap_or(0) > 0, "{view:#}");
}

/// The shortest limits are a minute.
#[test]
#[ignore = "waits for more than a minute"]
fn whoever_types_nothing_or_too_long_loses_the_shell() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let began = Instant::now();
    let (_, _, mut idle) = open(&site, "web-1", &json!({ "idle_minutes": 1 }));
    let (_, _, mut long) = open(&site, "web-1", &json!({ "max_minutes": 1 }));
    idle.say("setsid sleep 4725 &\n");
    long.say("setsid sleep 4725 &\n");
    until("two sleeps", || processes(&web, "sleep 4725") == 2);
    while began.elapsed() < Duration::from_secs(50) {
        long.run("echo busy");
        idle.pump();
    }
    assert_eq!(processes(&web, "sleep 4725"), 2, "not before the minute is over");
    // Who does not listen is taken for gone: both are listened to.
    let mut reasons = [None, None];
    until("both ends", || {
        for (terminal, reason) in [&mut idle, &mut long].into_iter().zip(&mut reasons) {
            terminal.pump();
            let end = terminal.messages.iter().find(|message| message["type"] == "end");
            *reason = reason.take().or(end.map(|end| end["reason"].clone()));
        }
        reasons.iter().all(Option::is_some)
    });
    assert_eq!(reasons, [Some(json!("idle")), Some(json!("time_limit"))]);
    until("the end of what they held", || processes(&web, "sleep 4725") == 0);
}

#[test]
fn strangers_and_strange_messages_are_refused() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    // What cannot begin says why.
    for (params, code) in [
        (json!({ "user": "nobody-of-this-name" }), "no_account"),
        (json!({ "directory": "/nonexistent" }), "no_directory"),
    ] {
        let task = site.act("web-1", ACTION, &params).unwrap();
        assert_eq!(ended(&task), ("refused", code), "{task:#}");
    }
    let (_, shell, mut terminal) = open(&site, "web-1", &json!({ "shell": "sh" }));
    let own = site.server.key().to_owned();
    let path = format!("/shells/{shell}/attach");
    assert_eq!(
        refused(&site, request(&site, &own, "/shells/01999999-0000-7000-8000-000000000000/attach")),
        404
    );
    assert_eq!(refused(&site, request(&site, "qk_wrong", &path)), 401);
    assert_eq!(refused(&site, request(&site, &own, &format!("{path}?pen=short"))), 400);
    // Another site's page, with the person's cookie.
    let uri = format!("{}/api/v1{path}", site.server.url().replacen("http", "ws", 1)).parse().unwrap();
    let foreign = ClientRequestBuilder::new(uri)
        .with_sub_protocol(SUBPROTOCOL)
        .with_header("Cookie", "quell=qs_00000000000000000000000000000000000000000000000000")
        .with_header("Origin", "https://evil.example");
    assert!([401, 403].contains(&refused(&site, foreign)));
    // Each of these ends its own connection, and the shell goes on.
    let bad = [
        Message::Binary(vec![0; 7].into()),
        Message::Binary(encode_bytes(1 << 40, b"x").into()),
        Message::Binary(vec![b'x'; 1 << 20].into()),
        Message::Text("{\"type\":\"resize\",\"cols\":0,\"rows\":0}".into()),
        Message::Text("nonsense".into()),
    ];
    for message in bad {
        let mut end = Terminal::attach(&site, &own, &shell, Some(PEN), None);
        end.send(message);
        let began = Instant::now();
        while !end.is_over {
            assert!(began.elapsed() < LATE, "a strange message is borne");
            end.pump();
        }
    }
    // Whoever came last types; the first end looks on from then.
    let mut second = Terminal::attach(&site, &own, &shell, Some("another0another0"), None);
    terminal.say("touch /root/first\n");
    second.run("touch /root/second");
    let there = |name: &str| web.endpoint.path(name).exists();
    assert!(there("/root/second") && !there("/root/first"));
}

/// `quell shell` at a terminal of its own.
struct Local {
    session: pty::Session,
    shown: String,
}

impl Local {
    fn open(site: &Site) -> Self {
        let programs = Programs::of_this_build().unwrap();
        let launcher = Launcher { program: programs.agent, args: vec!["keep-pty".into()] };
        let directory = Some(programs.server.parent().unwrap().to_owned());
        let spec = pty::Spec { program: pty::Program::Sh, user: None, directory, processes: 256 };
        let mut local =
            Self { session: pty::open(&spec, (100, 30), &launcher).unwrap(), shown: String::new() };
        let (url, key) = (site.server.url(), site.server.key());
        local.say(&format!("export QUELL_URL={url} QUELL_API_KEY={key}; echo rea''dy\n"));
        local.shows("ready\r\n");
        local
    }

    fn say(&self, text: &str) {
        assert_eq!(rustix::io::write(self.session.master(), text.as_bytes()).unwrap(), text.len());
    }

    fn shows(&mut self, wanted: &str) -> String {
        let began = Instant::now();
        loop {
            if let Some(at) = self.shown.find(wanted) {
                let rest = self.shown.split_off(at + wanted.len());
                return std::mem::replace(&mut self.shown, rest);
            }
            assert!(began.elapsed() < LATE, "no {wanted:?} in {:?}", self.shown);
            let mut buffer = [0; 4096];
            match rustix::io::read(self.session.master(), &mut buffer) {
                Ok(count) => self.shown.push_str(&String::from_utf8_lossy(&buffer[..count])),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

#[test]
fn the_command_line_is_a_terminal_and_gives_it_back() {
    let Some(site) = site() else { return };
    let web = site.machine("web-1").unwrap();
    let mut local = Local::open(&site);
    local.say("./quell shell web-1 --reason 'a test' --shell sh --directory /root\r");
    local.shows("# ");
    local.say("echo at-$(hostname)-$(tput cols 2>/dev/null || stty size)\r");
    assert!(local.shows("100").contains("at-web-1"), "name and size of the terminal");
    // A verb of the agent, a file from here to there, and the way out.
    std::fs::write(web.endpoint.path("/root/there"), b"abc").unwrap();
    local.say("\r~:ls /root\r");
    local.shows("there");
    let here = site.folder.path().join("here");
    std::fs::write(&here, b"from here").unwrap();
    local.say(&format!("\r~:put {} /root/given\r", here.display()));
    local.shows("sha256");
    assert_eq!(std::fs::read(web.endpoint.path("/root/given")).unwrap(), b"from here");
    local.say("\r~.");
    local.shows("the shell goes on: quell shells attach ");
    let shell = local.shows("\r\n").trim().to_owned();
    // The terminal is as it was: it shows what is typed, line by line.
    local.say("echo restored=$(stty -a | grep -c ' icanon')$(stty -a | grep -c ' echo ')\n");
    local.shows("restored=11\r\n");
    local.say(&format!("./quell shells attach {shell}\r"));
    local.shows("at-web-1-100");
    local.say("\rexit 5\r");
    local.shows("exit code 5");
    // What is typed before the terminal is given back is nobody's.
    local.shows("# ");
    local.say("echo restored=$(stty -a | grep -c ' echo ')$(./quell shells | grep -c exited)\n");
    local.shows("restored=11\r\n");
    local.say(&format!("./quell shells replay {shell} --speed 1000 --idle 0.1; echo play''ed\n"));
    assert!(local.shows("played\r\n").contains("at-web-1"));
    local.say(&format!("./quell shells search {shell} AT-WEB\n"));
    local.shows("at-web-1");
}

fn rss(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sorted.
fn echoes(terminal: &mut Terminal, count: usize, mut between: impl FnMut(usize)) -> Vec<Duration> {
    terminal.say("stty -icanon; echo rea''dy; cat > /dev/null\n");
    terminal.shows("ready\r\n");
    let mut times: Vec<Duration> = (0..count)
        .map(|number| {
            between(number);
            let letter = char::from(b'a' + (number % 26) as u8).to_string();
            let began = Instant::now();
            terminal.say(&letter);
            terminal.shows(&letter);
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times
}

/// What many at once cost; too long for every run.
#[test]
#[ignore = "a measurement: takes a minute"]
fn fifty_shells_at_once() {
    let Some(site) = site() else { return };
    let machines: Vec<Machine> =
        (0..7).map(|number| site.machine(&format!("web-{number}")).unwrap()).collect();
    let pid = site.server.pid().unwrap();
    let before = rss(pid);
    let mut terminals: Vec<Terminal> = (0..50)
        .map(|number| open(&site, &format!("web-{}", number % 7), &json!({ "shell": "sh" })).2)
        .collect();
    let after = rss(pid);
    let agent = machines[0].agent_pid().unwrap();
    let (first, rest) = terminals.split_at_mut(1);
    let times = echoes(&mut first[0], 500, |number| {
        let other = &mut rest[number % 49];
        other.say("date\n");
        other.pump();
    });
    println!(
        "50 shells: server {before} KiB before, {after} KiB with them, {} KiB after; an agent with eight {} KiB; echo median \
         {:?}, p99 {:?}",
        rss(pid),
        rss(agent),
        times[250],
        times[495]
    );
    assert!(times[495] < Duration::from_millis(100), "{:?}", times[495]);
}

/// From the key press to its echo, as a person's end sees it.
#[test]
fn a_key_press_is_echoed_soon() {
    let Some(site) = site() else { return };
    let _web = site.machine("web-1").unwrap();
    let (_, _, mut terminal) = open(&site, "web-1", &json!({ "shell": "sh" }));
    let times = echoes(&mut terminal, 500, |_| {});
    let (median, p99) = (times[250], times[495]);
    println!("keystroke echo over API, server, gateway and agent: median {median:?}, p99 {p99:?}");
    assert!(p99 < Duration::from_millis(30), "{p99:?}");
}
