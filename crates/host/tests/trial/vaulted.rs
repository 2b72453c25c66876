//! A file taken, restored or deleted by a process that is killed at a step of it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use quell_host::vault::{Before, Event, Protect, Request, Vault, delete, restore, take};

/// `what` is `take`, `restore` or `delete`; `step` the name of the step at which this process dies, or `none`.
pub fn run(what: &str, vault: &str, path: &str, step: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut watch = |event: Event| -> ControlFlow<()> {
        if let Event::Step(reached) = event
            && format!("{reached:?}") == step
        {
            // The end that nothing can prepare for.
            let own = rustix::process::getpid();
            let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
        }
        ControlFlow::Continue(())
    };
    let request =
        Request { path: PathBuf::from(path), sha256: None, sha1: None, max_bytes: 1 << 30, lift: true };
    let (vault, protect) = (Vault::open(Path::new(vault))?, Protect::default());
    match what {
        "take" => drop(take(&vault, "one", &request, &protect, &mut watch)?),
        "restore" => {
            restore(&vault, "one", false, true, &mut watch)?;
            vault.discard("one")?;
        }
        _ => drop(delete("one", &request, &protect, Before::Checked, &mut watch)?),
    }
    println!("done");
    Ok(())
}
