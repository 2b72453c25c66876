//! What an agent does with a script, as a program of its own: `supervise DIR` is the supervisor, and
//! `launch DIR BODY` starts a run and then stays, so that a test can kill it.
#![expect(clippy::print_stdout, reason = "the result of an example")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use quell_host::script::{Interpreter, Job, Launcher, Limits, spawn, supervise};
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "supervise", dir] => std::process::exit(supervise(Path::new(dir))),
        [_, "launch", dir, body] => {
            let limits = Limits {
                time: Duration::from_secs(60),
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
        _ => Err("usage: script supervise DIR | script launch DIR BODY".into()),
    }
}
