//! People from the command line: the set-up of a new server, an invitation, signing in and out, another tenant.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use quell_access::totp;
use serde_json::Value;

use crate::operate::Site;
use crate::program::{Said, quell, run};

const PASSWORD: &str = "correct horse battery";

/// Somebody at a computer of their own.
struct Desk<'a> {
    site: &'a Site,
    home: tempfile::TempDir,
}

impl<'a> Desk<'a> {
    fn of(site: &'a Site) -> Self {
        Self { site, home: tempfile::tempdir().unwrap() }
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = quell(self.home.path());
        command.args(line).env("XDG_CONFIG_HOME", self.home.path());
        command
    }

    /// Runs a command with these lines on standard input.
    fn told(&self, line: &[&str], lines: &[&str]) -> Said {
        let path = self.home.path().join("lines");
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        run(self.command(line).stdin(std::fs::File::open(path).unwrap()))
    }

    /// The same with the address of the server, for what comes before a session is kept.
    fn told_there(&self, line: &[&str], lines: &[&str]) -> Said {
        self.told(&[line, &["--url", &self.site.url]].concat(), lines)
    }

    fn say(&self, line: &[&str]) -> String {
        let said = self.told(line, &[]);
        assert_eq!(said.code, 0, "{line:?}: {}", said.err);
        said.out
    }

    fn json(&self, line: &[&str]) -> Value {
        serde_json::from_str(&self.say(&[line, &["-o", "json"]].concat())).unwrap()
    }

    fn kept(&self) -> PathBuf {
        self.home.path().join("quell/cli.json")
    }
}

fn well(said: Said) -> String {
    assert_eq!(said.code, 0, "{}", said.err);
    said.out
}

#[test]
fn a_server_is_set_up_and_people_come_in() {
    let site = Site::open();
    let maria = Desk::of(&site);
    let code = site.data().join("setup.code").display().to_string();
    let set_up = [
        "setup",
        "--name",
        "Maria",
        "--email",
        "maria@quell.example",
        "--organisation",
        "Acme",
        "--code-file",
        &code,
    ];
    let weak = maria.told_there(&set_up, &["maria1234567"]);
    assert!(weak.code == 1 && weak.err.contains("password"), "{}", weak.err);
    let code = std::fs::read_to_string(&code).unwrap();
    let done = well(maria.told_there(&set_up, &[PASSWORD]));
    assert!(done.contains("Maria is the first administrator of Acme"), "{done}");
    let asked = ["setup", "--name", "Eve", "--email", "eve@quell.example"];
    let late = Desk::of(&site).told_there(&asked, &[code.trim(), PASSWORD]);
    assert!(late.code == 1 && late.err.contains("setup_closed"), "{}", late.err);

    let kept = std::fs::read_to_string(maria.kept()).unwrap();
    assert!(kept.contains("qs_") && !kept.contains(PASSWORD));
    assert!(maria.say(&["whoami"]).contains("administrator"));
    let made = maria.json(&["people", "invite", "Ana", "--email", "ana@quell.example", "--role", "analyst"]);
    let token = made["ticket"]["token"].as_str().unwrap();

    let ana = Desk::of(&site);
    let redeemed = well(ana.told_there(&["people", "redeem"], &[token, PASSWORD]));
    assert!(redeemed.contains("the password is set"), "{redeemed}");
    let wrong = ana.told_there(&["login", "--email", "ana@quell.example"], &["wrong horse battery"]);
    assert!(wrong.code == 1 && wrong.err.contains("login_failed"), "{}", wrong.err);
    let signed = well(ana.told_there(&["login", "--email", "ana@quell.example"], &[PASSWORD]));
    assert!(signed.contains("Ana is signed in to Acme"), "{signed}");
    assert!(ana.say(&["whoami"]).contains("analyst"));
    assert_eq!(ana.told(&["people"], &[]).code, 1, "an analyst sees no people");

    // What is taken is gone at once, by the address or by the id.
    maria.say(&[
        "roles",
        "add",
        "triage",
        "--permission",
        "task.read",
        "--permission",
        "person.read",
        "--tag",
        "lab",
    ]);
    let changed = maria.say(&["people", "roles", "ana@quell.example", "triage"]);
    assert!(changed.contains("ana@quell.example"), "{changed}");
    assert_eq!(ana.json(&["people"]).as_array().unwrap().len(), 2);
    let last = maria.told(&["people", "disable", "maria@quell.example"], &[]);
    assert!(last.code == 1 && last.err.contains("last_administrator"), "{}", last.err);
    let used = maria.told(&["roles", "remove", "triage"], &[]);
    assert!(used.code == 1 && used.err.contains("Take it from them first"), "{}", used.err);
    maria.say(&["people", "disable", "ana@quell.example"]);
    let gone = ana.told(&["whoami"], &[]);
    assert!(gone.code == 1 && gone.err.contains("unauthenticated"), "{}", gone.err);
    maria.say(&["people", "enable", "ana@quell.example"]);

    assert_eq!(maria.json(&["sessions"]).as_array().unwrap().len(), 1);
    assert!(maria.say(&["sessions", "revoke-others"]).contains("sessions ended: 0"));
    assert!(well(maria.told(&["password"], &[PASSWORD, "another good one!"])).contains("changed"));
    assert!(maria.say(&["logout"]).contains("the session is ended"));
    assert!(!std::fs::read_to_string(maria.kept()).unwrap().contains("qs_"));
    assert_eq!(maria.told(&["whoami"], &[]).code, 1);
    well(maria.told_there(&["login", "--email", "maria@quell.example"], &["another good one!"]));

    // Whoever may read the server's own files needs nobody.
    let data = site.data().display().to_string();
    let token = maria.say(&["recover", "--data-dir", &data, "--email", "Maria@quell.example"]);
    let token = token.lines().next().unwrap().strip_prefix("token   ").unwrap().to_owned();
    let old = maria.told_there(&["login", "--email", "maria@quell.example"], &["another good one!"]);
    assert!(old.code == 1 && old.err.contains("login_failed"), "{}", old.err);
    well(maria.told_there(&["people", "redeem"], &[&token, PASSWORD]));
    well(maria.told_there(&["login", "--email", "maria@quell.example"], &[PASSWORD]));
    assert!(maria.say(&["audit", "--verb", "person.reset"]).contains("the server's own machine"));
}

#[test]
fn one_person_serves_two_tenants() {
    let site = Site::open();
    let maria = Desk::of(&site);
    let code = site.data().join("setup.code").display().to_string();
    let set_up = ["setup", "--name", "Maria", "--email", "maria@quell.example", "--code-file", &code];
    well(maria.told_there(&set_up, &[PASSWORD]));
    let made = maria.json(&[
        "tenants",
        "add",
        "customer",
        "--administrator",
        "Carl",
        "--email",
        "carl@customer.example",
    ]);
    let carl = Desk::of(&site);
    well(carl.told_there(&["people", "redeem"], &[made["ticket"]["token"].as_str().unwrap(), PASSWORD]));
    well(carl.told_there(&["login", "--email", "carl@customer.example"], &[PASSWORD]));
    let refused = maria.told(&["tenants", "switch", "customer"], &[]);
    assert!(refused.code == 1 && refused.err.contains("you are not a member"), "{}", refused.err);
    carl.say(&["people", "admit", "maria@quell.example", "--role", "operations"]);
    assert!(maria.say(&["tenants", "switch", "customer"]).contains("requests are about customer now"));
    let me = maria.json(&["whoami"]);
    assert_eq!(
        (&me["tenant"]["name"], &me["roles"][0]),
        (&Value::from("customer"), &Value::from("operations"))
    );
    assert_eq!(maria.json(&["tenants"]).as_array().unwrap().len(), 2);
    maria.say(&["tenants", "switch", "default"]);
    assert_eq!(maria.json(&["tenants", "list", "--all"]).as_array().unwrap().len(), 2);
}

#[test]
fn one_time_codes_are_set_up_in_two_steps() {
    let site = Site::open();
    let maria = Desk::of(&site);
    let code = site.data().join("setup.code").display().to_string();
    let set_up = ["setup", "--name", "Maria", "--email", "maria@quell.example", "--code-file", &code];
    well(maria.told_there(&set_up, &[PASSWORD]));
    let mut enabling = maria
        .command(&["totp", "enable"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = enabling.stdin.take().unwrap();
    let mut output = BufReader::new(enabling.stdout.take().unwrap());
    writeln!(input, "{PASSWORD}").unwrap();
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let secret = decoded(line.trim().strip_prefix("secret  ").unwrap());
    writeln!(input, "{}", totp::at(&secret, step_now())).unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(enabling.wait().unwrap().success(), "{rest}");
    let recovery = rest.lines().last().unwrap().trim().to_owned();
    assert_eq!(recovery.len(), 19, "{rest}");
    let login = ["login", "--email", "maria@quell.example"];
    let without = maria.told_there(&login, &[PASSWORD]);
    assert!(without.code == 1 && without.err.contains("totp_needed"), "{}", without.err);
    let code = totp::at(&secret, step_now() + 1);
    well(maria.told_there(&[&login[..], &["--totp"]].concat(), &[PASSWORD, &code]));
    well(maria.told_there(&[&login[..], &["--recovery"]].concat(), &[PASSWORD, &recovery]));
    well(maria.told(&["totp", "disable"], &[PASSWORD]));
    well(maria.told_there(&login, &[PASSWORD]));
}

#[expect(clippy::disallowed_methods, reason = "the tests' clock")]
fn step_now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    totp::step_at(now.as_secs().cast_signed())
}

fn decoded(text: &str) -> Vec<u8> {
    let digit = |c: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == c).unwrap();
    let bits: Vec<u8> =
        text.bytes().flat_map(|c| (0..5).rev().map(move |bit| (digit(c) >> bit & 1) as u8)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | bit)).collect()
}
