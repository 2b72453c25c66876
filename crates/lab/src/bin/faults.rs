//! Kills server and agents under load, prints what was found, and fails when anything does not hold.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::io::Write as _;
    match linux::main() {
        Ok(true) => std::process::ExitCode::SUCCESS,
        Ok(false) => std::process::ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::Write as _;
    use std::path::PathBuf;

    use clap::Parser;
    use quell_lab::faults::{Options, is_installed, run};

    /// Kill server and agents at seeded points under a load of mixed commands.
    #[derive(Debug, Parser)]
    struct Cli {
        /// How often somebody is killed.
        #[arg(long, default_value_t = 200)]
        kills: usize,
        /// Where the numbers come from.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Where to write the report.
        #[arg(long)]
        report: Option<PathBuf>,
    }

    /// Whether all holds.
    pub fn main() -> anyhow::Result<bool> {
        // First of all: it must happen before there are threads.
        quell_lab::become_root()?;
        let cli = Cli::parse();
        for program in ["strace", "7z"] {
            anyhow::ensure!(is_installed(program), "{program} is not installed");
        }
        let options = Options { kills: cli.kills, seed: cli.seed, fill: true };
        let mut out = std::io::stderr();
        let report = run(options, &mut |line| drop(writeln!(out, "{line}")))?;
        let page = report.page();
        if let Some(path) = cli.report {
            std::fs::write(path, &page)?;
        }
        write!(std::io::stdout(), "{page}")?;
        Ok(report.wrong.is_empty() && report.is_full())
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> anyhow::Result<()> {
    anyhow::bail!("faults are injected on Linux only")
}
