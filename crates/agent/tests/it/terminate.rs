//! `process.terminate` by the real agent on processes of the tests' own.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use quell_host::process::{Identity, get, list};
use quell_wire::Status;
use quell_wire::digest::{hex, sha256};
use serde_json::{Value, json};

use crate::collect::connected;
use crate::gateway::{Gateway, until};

/// A program of which no other copy exists on this machine, neither by path nor by content.
fn program(dir: &Path) -> PathBuf {
    let path = dir.join("quarry");
    let mut bytes = std::fs::read("/bin/sleep").unwrap();
    writeln!(bytes, "{}", path.display()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

struct Quarry(Child);

impl Quarry {
    fn start(program: &Path) -> Self {
        Self(Command::new(program).arg("1000").spawn().unwrap())
    }

    fn identity(&self) -> Identity {
        get(self.0.id()).unwrap().identity
    }

    fn is_gone(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Quarry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn named(identity: Identity) -> Value {
    json!({ "pid": identity.pid, "start_time": identity.start_time })
}

fn refused(gateway: &Gateway, params: &Value) -> String {
    let outcome = gateway.outcome(&gateway.give("process.terminate", params));
    assert_eq!(outcome.status, i32::from(Status::Refused), "{outcome:?}");
    outcome.reason_code
}

#[test]
fn one_process_is_ended_and_its_absence_is_the_proof() {
    let (gateway, _endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let mut quarry = Quarry::start(&program(dir.path()));
    let params = named(quarry.identity());
    let (_, result) = gateway.done("process.terminate", &params);
    assert_eq!((&result["ended"][0]["how"], &result["probes"][0]["held"]), (&json!("killed"), &json!(true)));
    assert!(result["ended"][0]["command_line"].as_str().unwrap().ends_with("quarry 1000"));
    until("it is gone", || quarry.is_gone());
    let (_, again) = gateway.done("process.terminate", &params);
    assert_eq!((&again["ended"], &again["probes"][0]["held"]), (&json!([]), &json!(true)));
}

#[test]
fn hash_and_path_find_every_copy_and_only_those() {
    let (gateway, _endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let program = program(dir.path());
    let digest = hex(&sha256(&[&std::fs::read(&program).unwrap()]));
    // Where the machine hides its first process, no search by content can be complete, and the probe says so.
    let all_readable = std::fs::File::open("/proc/1/exe").is_ok();
    let mut bystander = Quarry::start(Path::new("/bin/sleep"));
    for params in [json!({ "sha256": digest }), json!({ "path": program, "grace_seconds": 5 })] {
        let mut quarries = [Quarry::start(&program), Quarry::start(&program)];
        for quarry in &quarries {
            let running = || get(quarry.0.id()).is_ok_and(|p| p.exe.is_some_and(|exe| exe.path == program));
            until("it is started", running);
        }
        let (_, result) = gateway.done("process.terminate", &params);
        assert_eq!(result["ended"].as_array().unwrap().len(), 2, "{result}");
        assert!(result["probes"][0]["before"].as_str().unwrap().starts_with("2 running"), "{result}");
        assert!(result["probes"][0]["after"].as_str().unwrap().starts_with("not running"), "{result}");
        assert_eq!(result["probes"][0]["held"], all_readable, "{result}");
        assert_eq!(result["unread"].as_u64().is_none(), all_readable, "{result}");
        assert!(quarries.iter_mut().all(Quarry::is_gone));
    }
    assert!(!bystander.is_gone(), "the same program elsewhere is let be");
}

#[test]
fn descendants_go_with_their_parent() {
    let (gateway, _endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let program = program(dir.path());
    for grace in [0, 2] {
        let script = format!("{0} 1000 & {0} 1000 & wait", program.display());
        let mut root = Quarry(Command::new("/bin/sh").args(["-c", &script]).spawn().unwrap());
        let copies = || {
            let is_copy =
                |p: &quell_host::process::Process| p.exe.as_ref().is_some_and(|exe| exe.path == program);
            list().unwrap().iter().filter(|process| is_copy(process)).count()
        };
        until("the children run", || copies() == 2);
        let mut params = named(root.identity());
        params["descendants"] = json!(true);
        params["grace_seconds"] = json!(grace);
        let (_, result) = gateway.done("process.terminate", &params);
        assert_eq!(result["ended"].as_array().unwrap().len(), 3, "{result}");
        assert!(result["probes"].as_array().unwrap().iter().all(|probe| probe["held"] == true), "{result}");
        assert!(copies() == 0 && root.is_gone());
    }
}

#[test]
fn what_must_live_and_what_is_not_meant_is_refused() {
    let (gateway, mut endpoint) = connected();
    let agent = get(endpoint.pid()).unwrap();
    assert_eq!(refused(&gateway, &named(agent.identity)), "protected");
    assert_eq!(refused(&gateway, &named(Identity::own().unwrap())), "protected", "the agent's parent");
    let dir = tempfile::tempdir().unwrap();
    let quarry = Quarry::start(&program(dir.path()));
    let mut other = quarry.identity();
    other.start_time += 1;
    assert_eq!(refused(&gateway, &named(other)), "pid_reused");
    let mut params = named(quarry.identity());
    params["boot_id"] = json!("00000000-0000-4000-8000-000000000000");
    assert_eq!(refused(&gateway, &params), "other_boot");
    assert_eq!(refused(&gateway, &json!({ "pid": 1, "start_time": 1 })), "params_invalid");
    assert!(quarry.identity().is_running().unwrap());
    assert!(endpoint.is_running());
}

#[test]
fn the_supervisor_of_a_running_script_is_protected() {
    let (gateway, endpoint) = connected();
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go");
    let body = format!("until [ -e {} ]; do sleep 0.02; done; echo whole", go.display());
    let script = json!({ "script": gateway.files().script(&body), "interpreter": "bash" });
    let id = gateway.give("endpoint.run_script", &script);
    let run = endpoint.file(&format!("work/{id}/run-1"));
    let supervisor = || quell_host::script::supervisor(&run).ok().flatten();
    until("the script is supervised", || supervisor().is_some());
    assert_eq!(refused(&gateway, &named(supervisor().unwrap())), "protected");
    std::fs::write(&go, b"").unwrap();
    let outcome = gateway.outcome(&id);
    let result: Value = serde_json::from_slice(&outcome.result).unwrap();
    assert_eq!(result["stdout"]["text"], "whole\n", "{outcome:?}");
}
