//! What an agent does, as a program of its own: `supervise DIR` is a script's supervisor, `launch DIR BODY`
//! starts a run and then stays, so that a test can kill it, and `terminate PID START` ends a process in
//! whatever namespace it is started in.
#![expect(clippy::print_stdout, reason = "the answer to the test that started it")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use quell_host::process::{Guard, Identity, Options, terminate};
use quell_host::script::{Interpreter, Job, Launcher, Limits, spawn, supervise};
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "supervise", dir] => std::process::exit(supervise(Path::new(dir))),
        [_, "launch", dir, body] => {
            let limits = Limits {
                time: Duration::from_mins(1),
                output: 1 << 20,
                memory: None,
                cpu: None,
                processes: None,
            };
            let job = Job {
                interpreter: Interpreter::Bash,
                body: body.as_bytes().to_vec(),
                sha256: Sha256::digest(body.as_bytes()).into(),
                args: Vec::new(),
                env: BTreeMap::new(),
                cwd: None,
                limits,
            };
            let running = spawn(Path::new(dir), &job, &Launcher::own("supervise"))?;
            println!("{}", running.supervisor().map_or(0, |identity| identity.pid));
            loop {
                std::thread::park();
            }
        }
        [_, "terminate", pid, start] => {
            let identity = Identity { pid: pid.parse()?, start_time: start.parse()? };
            match terminate(identity, Options::default(), &Guard::new()?) {
                Ok(done) => println!("{:?}", done.how),
                Err(error) => println!("{error}"),
            }
            Ok(())
        }
        _ => Err("usage: supervise DIR | launch DIR BODY | terminate PID START".into()),
    }
}
