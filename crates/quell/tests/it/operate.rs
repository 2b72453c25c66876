//! The command line against a server without endpoints: what it keeps, what it shows, how it refuses.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Running, Said, quell, run};

pub struct Site {
    server: Running,
    pub url: String,
    gateway: String,
    key: String,
    folder: TempDir,
}

impl Site {
    pub fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = quell(folder.path());
        command.args(["server", "--api", "127.0.0.1:0", "--gateway", "127.0.0.1:0", "--data-dir"]);
        command.arg(folder.path().join("data"));
        let (server, lines, is_ready) = Running::start(command, |line| line.contains("the server is ready"));
        assert!(is_ready, "{lines:?}");
        let url = lines.iter().find_map(|line| line.strip_prefix("API      ")).unwrap().to_owned();
        let gateway = lines.iter().find_map(|line| line.strip_prefix("agents   ")).unwrap().to_owned();
        let key = std::fs::read_to_string(folder.path().join("data/admin.key")).unwrap().trim().to_owned();
        assert!(lines.iter().any(|line| line.contains(&key)), "the first key is shown");
        Self { server, url, gateway, key, folder }
    }

    pub fn quell(&self, arguments: &[&str]) -> Command {
        let mut command = quell(self.folder.path());
        command.args(arguments).env("QUELL_URL", &self.url).env("QUELL_API_KEY", &self.key);
        command
    }

    /// The server's folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn say(&self, arguments: &[&str]) -> Said {
        run(&mut self.quell(arguments))
    }

    /// Where agents connect.
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// The address of its API, and the administrator's key.
    pub fn api(&self) -> (String, &str) {
        (format!("{}/api/v1", self.url), &self.key)
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Ends the server as a key press does.
    pub fn interrupt(&mut self) {
        self.server.interrupt();
    }

    /// Ends the server as SIGKILL does.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Whether everything that it needs is there.
    pub fn is_ready(&self) -> bool {
        use std::io::{Read as _, Write as _};
        let address = self.url.strip_prefix("http://").unwrap();
        let Ok(mut stream) = std::net::TcpStream::connect(address) else { return false };
        let _ = write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// Ids differ from run to run.
fn without_request(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("request: ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_new_server_can_be_operated() {
    let site = Site::open();
    let listed = site.say(&["endpoints"]);
    assert_eq!((listed.code, listed.out.trim()), (0, "nothing to show"), "{}", listed.err);
    let token = site.say(&["endpoints", "enrol-token", "--max-uses", "3"]);
    assert!(token.code == 0 && token.out.starts_with("qle1."), "{}", token.err);
    let script = site.file("look.sh", "#!/bin/sh\necho \"hello\"\n");
    let script = script.to_str().unwrap();
    for _ in 0..2 {
        let added = site.say(&["library", "add", "script", "look", script]);
        assert!(added.out.starts_with("look@1 sha256:"), "{}{}", added.out, added.err);
    }
    assert_eq!(site.say(&["library", "show", "script", "look@1"]).out, "#!/bin/sh\necho \"hello\"\n");
    let audit = site.say(&["audit", "--output", "json"]);
    let audit: Value = serde_json::from_str(&audit.out).unwrap();
    let verbs: Vec<&str> = audit.as_array().unwrap().iter().filter_map(|row| row["verb"].as_str()).collect();
    assert!(verbs.contains(&"enrolment_token.create") && verbs.contains(&"api_key.create"), "{verbs:?}");
    let lines = site.say(&["keys", "list", "-o", "jsonl"]).out;
    assert_eq!(lines.lines().count(), 1);
    assert!(!lines.contains(&site.key), "a key's text is never listed");
}

#[test]
fn refusals_say_what_happened_and_what_to_try() {
    let site = Site::open();
    let unknown = site.say(&["act", "endpoint", "isolate", "--endpoint", "web\u{202e}1", "--reason", "x"]);
    let many = site.say(&["act", "process", "terminate", "-e", "a", "-r", "x", "--pid", "7"]);
    let usage = site.say(&["act", "endpoint", "isolate", "--endpoint", "web-1"]);
    let missing = site.say(&["tasks", "show", "0190b0a0-0000-7000-8000-000000000001"]);
    let mut stranger = site.quell(&["tasks"]);
    let stranger = run(stranger.env("QUELL_API_KEY", "qk_aaaaaaaaaaaa_bbbbbbbb"));
    let mut keyless = site.quell(&["tasks"]);
    let keyless = run(keyless.env_remove("QUELL_API_KEY"));
    let all = [unknown, many, usage, missing, stranger, keyless];
    assert!(all.iter().all(|said| said.code == 1 && said.out.is_empty()));
    let told: Vec<String> = all.iter().map(|said| without_request(said.err.trim_end())).collect();
    insta::assert_snapshot!(told.join("\n---\n"));
    let json = site.say(&["tasks", "show", "x", "-o", "json"]);
    let json: Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!(json["error"]["code"], "not_found");
    assert!(json["error"]["request_id"].as_str().is_some_and(|id| id.len() == 36));
}

#[test]
fn login_keeps_a_key_that_works_and_no_other() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::open();
    let path = site.folder.path().join(".config/quell/cli.json");
    let login = |key: &str| {
        let file = site.file("key", key);
        run(quell(site.folder.path()).args([
            "login",
            "--url",
            &site.url,
            "--key-file",
            file.to_str().unwrap(),
        ]))
    };
    let refused = login("qk_aaaaaaaaaaaa_bbbbbbbb");
    assert_eq!((refused.code, path.exists()), (1, false));
    let kept = login(&site.key);
    assert_eq!(kept.code, 0, "{}", kept.err);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(run(quell(site.folder.path()).arg("tasks")).code, 0);
    // The stored key is for the server that it was stored with.
    let elsewhere = run(quell(site.folder.path()).args(["tasks", "--url", "http://127.0.0.1:9"]));
    assert!(elsewhere.err.contains("no API key is set"), "{}", elsewhere.err);
}

#[test]
fn nobody_listening_is_told_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let said =
        run(quell(folder.path()).args(["tasks", "--url", "http://127.0.0.1:9"]).env("QUELL_API_KEY", "k"));
    assert_eq!(said.code, 1);
    assert!(said.err.starts_with("error: no answer from http://127.0.0.1:9/"), "{}", said.err);
    assert!(said.err.contains("hint: is the server running"), "{}", said.err);
}

#[test]
fn what_needs_no_server_works_without_one() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(quell(folder.path()).args(["completions", shell]));
        assert!(script.code == 0 && script.out.contains("run-script"), "{shell}");
    }
    let codes = run(quell(folder.path()).arg("explain"));
    assert!(codes.out.lines().any(|line| line.starts_with("unknown_target ")));
    let page = run(quell(folder.path()).args(["explain", "unknown_target"]));
    assert!(page.out.starts_with("# unknown_target"));
    assert_eq!(run(quell(folder.path()).args(["explain", "no_such_code"])).code, 1);
    let document: Value = serde_json::from_str(&run(quell(folder.path()).arg("openapi")).out).unwrap();
    assert!(document["paths"]["/api/v1/tasks"]["post"].is_object());
    let bare = run(&mut quell(folder.path()));
    assert!(bare.code == 1 && bare.err.contains("Usage: quell"));
    assert_eq!(run(quell(folder.path()).arg("--version")).code, 0);
}
