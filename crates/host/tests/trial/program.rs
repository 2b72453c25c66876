//! What an agent does, as a program of its own: `keep-pty` keeps a terminal, `supervise DIR` is a script's supervisor,
//! `launch DIR BODY`
//! starts a run and then stays, so that a test can kill it, and `terminate PID START` ends a process in
//! whatever namespace it is started in. `dump PID START FILE` dumps one into an archive
//! and says how long that took. `list` lists all processes and says how long that took. `victim` is a process with memory of many kinds, and `hold PID START` dumps one
//! that it holds, until it is killed.
//! `cat PATH` and `worker cat PATH` read a file, and say how many bytes it has.
//! `stranger WHO DIR` serves a file system that stops answering.
//! `record SOURCE COMMAND` records while a shell runs a command, and tells what was heard.
//! `forks COUNT` makes so many processes, one after the other, that end at once; `execs COUNT PROGRAM` has each run a program.
//! `worker PROFILE` is a confined worker that does what it is told, good or bad.
#![expect(clippy::print_stdout, reason = "the answer to the test that started it")]

mod record;
mod stranger;
mod worker;

mod vaulted;
mod victim;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use quell_host::process::start;
use quell_host::process::{Guard, Identity, Options, terminate};
use quell_host::script::{Interpreter, Job, Launcher, Limits, spawn, supervise};
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "guard"] => std::process::exit(quell_host::guard::serve()),
        [_, "keep-pty"] => std::process::exit(quell_host::pty::keep()),
        [_, "supervise", dir] if start::is_start(Path::new(dir)) => {
            std::process::exit(start::attend(Path::new(dir)))
        }
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
        [_, "cat", path] | [_, "worker", "cat", path] => {
            match std::fs::read(path) {
                Ok(bytes) => println!("{}", bytes.len()),
                Err(error) => println!("errno {}", error.raw_os_error().unwrap_or_default()),
            }
            Ok(())
        }
        [_, "worker", profile] => std::process::exit(worker::run(profile)),
        [_, "terminate", pid, start] => {
            let identity = Identity { pid: pid.parse()?, start_time: start.parse()? };
            match terminate(identity, Options::default(), &Guard::new()?) {
                Ok(done) => println!("{:?}", done.how),
                Err(error) => println!("{error}"),
            }
            Ok(())
        }
        [_, "vaulted", what, vault, path, step] => vaulted::run(what, vault, path, step),
        [_, "dump", pid, start, path] => {
            let identity = Identity { pid: pid.parse()?, start_time: start.parse()? };
            let password = quell_host::file::Password::new("trial")?;
            let (began, options) = (std::time::Instant::now(), quell_host::core::Options::default());
            let on = &mut |_, _| std::ops::ControlFlow::Continue(());
            let done = quell_host::core::dump_to_archive(identity, &options, &password, Path::new(path), on)?;
            let took = began.elapsed();
            let (core, stopped) = (done.dumped.size, done.dumped.stopped);
            println!("{core} bytes, archive of {}, in {took:?}, held for {stopped:?}", done.size);
            Ok(())
        }
        [_, "list"] => {
            let (began, mut count) = (std::time::Instant::now(), 0);
            let commands = quell_host::process::Commands::new();
            quell_host::process::each(Some(&commands), |_| {
                count += 1;
                std::ops::ControlFlow::Continue(())
            })?;
            println!("{count} processes in {:?}", began.elapsed());
            Ok(())
        }
        [_, "record", source, command] => record::run(source, command),
        [_, "forks", count] => record::forks(count.parse()?),
        [_, "execs", count, program] => record::execs(count.parse()?, program),
        [_, "stranger", who, dir] => stranger::run(who, Path::new(dir)),
        [_, "holder", file] => stranger::hold(Path::new(file)),
        [_, "victim"] => victim::run(),
        [_, "hold", pid, start] => {
            let identity = Identity { pid: pid.parse()?, start_time: start.parse()? };
            let options =
                quell_host::core::Options { hold: Some(Duration::from_mins(5)), ..Default::default() };
            quell_host::core::dump(identity, &options, &mut std::io::sink(), &mut |_, _| {
                println!("held");
                loop {
                    std::thread::park();
                }
            })?;
            Ok(())
        }
        _ => Err("usage: keep-pty | supervise DIR | launch DIR BODY | terminate PID START".into()),
    }
}
