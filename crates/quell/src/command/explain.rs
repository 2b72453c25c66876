//! `quell explain <code>`: the page of advice on an error code, which is within the binary.

use clap::Args;

use crate::failure::Failure;
use crate::output::terminal;

/// Which code.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The code, for example `unknown_target`; all codes are listed where it is absent
    pub code: Option<String>,
}

/// Shows the page, or the list of codes.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Some(code) = &arguments.code else {
        let codes = quell_server::Code::ALL;
        let width = codes.iter().map(|code| code.as_str().len()).max().unwrap_or(0);
        let lines: Vec<String> =
            codes.iter().map(|code| format!("{:width$}  {}", code.as_str(), code.title())).collect();
        return terminal::say(&lines.join("\n"));
    };
    match quell_server::explain(code) {
        Some(page) => terminal::say(page.trim_end()),
        None => Err(Failure::new(format!("there is no code `{code}`")).hint("quell explain lists all codes")),
    }
}
