//! A recorder in a process of its own, so that it can live in a PID namespace of its own.

use std::process::Command;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use quell_host::recorder::{Kind, Processes, Recorder, Settings, What};

/// Tells each event as a line of fields with tabs between them, when the command and what it started are over.
pub fn run(source: &str, command: &str) -> Result<(), Box<dyn std::error::Error>> {
    let processes = match source {
        "ebpf" => Processes::Ebpf,
        "connector" => Processes::Connector,
        "polling" => Processes::Polling,
        _ => Processes::Best,
    };
    let settings = Settings { processes, files: None, logins: None, ..Settings::default() };
    let (tell, heard) = channel();
    let recorder = Recorder::start(settings, move |batch| drop(tell.send(batch)))?;
    let shell = Command::new("sh").args(["-c", command]).spawn()?;
    let pid = shell.id();
    shell.wait_with_output()?;
    let mut all = Vec::new();
    loop {
        let batch = heard.recv_timeout(Duration::from_secs(20))?;
        let is_over =
            batch.iter().any(|raw| raw.process.pid == pid && matches!(raw.what, What::Exited { .. }));
        all.extend(batch);
        if is_over {
            break;
        }
    }
    let standing = recorder.standing();
    drop(recorder);
    for raw in all {
        let (kind, program) = match &raw.what {
            What::Running(program) => ("running", Some(program)),
            What::Forked { .. } => ("fork", None),
            What::Executed(program) => ("exec", Some(program)),
            What::Exited { .. } => ("exit", None),
            _ => ("other", None),
        };
        let parent = raw.task.as_ref().and_then(|task| task.parent);
        let inner = raw.task.as_ref().and_then(|task| task.inner);
        println!(
            "{kind}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            raw.process.pid,
            raw.process.start_time,
            parent.map_or(0, |parent| parent.pid),
            parent.map_or(0, |parent| parent.start_time),
            inner.map_or(0, |inner| inner.pid),
            program.map_or_else(String::new, |program| program.path.display().to_string()),
            program.map_or_else(String::new, |program| String::from_utf8_lossy(&program.command)
                .replace('\0', " ")),
        );
    }
    let source = standing.sources.first();
    println!(
        "source\t{}\t{}",
        source.map_or("", |source| source.name),
        source.map_or("", |source| &source.reason)
    );
    println!("lost\t{}", Kind::ALL.iter().map(|kind| standing.count(*kind).lost).sum::<u64>());
    Ok(())
}

/// Says how many there were and how long they took, in microseconds.
pub fn forks(count: u64) -> Result<(), Box<dyn std::error::Error>> {
    extern "C" fn end(_: *mut libc::c_void) -> libc::c_int {
        3
    }
    let mut stack = vec![0_u128; 4096];
    // They live one after the other, in this process's memory, which is not copied for them: the cheapest that there is.
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let began = Instant::now();
    for _ in 0..count {
        // SAFETY: the child has a stack of its own, below its end; it returns at once, and this waits for it.
        #[expect(unsafe_code, reason = "no wrapper makes a process that shares memory")]
        unsafe {
            let top = stack.as_mut_ptr_range().end;
            let child = libc::clone(end, top.cast(), flags, std::ptr::null_mut());
            if child < 0 {
                return Err(std::io::Error::last_os_error().into());
            }
            libc::waitpid(child, std::ptr::null_mut(), 0);
        }
    }
    println!("{count}\t{}", began.elapsed().as_micros());
    Ok(())
}

/// The same with programs.
pub fn execs(count: u64, program: &str) -> Result<(), Box<dyn std::error::Error>> {
    let began = Instant::now();
    for _ in 0..count {
        Command::new(program).arg("one").arg("two").status()?;
    }
    println!("{count}\t{}", began.elapsed().as_micros());
    Ok(())
}
