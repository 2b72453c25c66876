//! `quell signer trust`: a tenant's trust bundle, by which the signer checks approvers' own signatures.

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use quell_signer::Bundles;
use quell_signer::admin::{self, perform};

use super::{Directory, ask, told};
use crate::cli::Context;
use crate::failure::Failure;

/// No bundle is longer.
const MOST: u64 = 1 << 20;

/// Which bundle, for which signer.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    directory: Directory,
    /// A bundle that `quell trust` signed (a file of its folder `bundles`)
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Puts it there.
pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let Arguments { directory, file } = arguments;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file).and_then(|open| open.take(MOST).read_to_end(&mut bytes));
    read.map_err(|error| Failure::of(&error).during(&file.display().to_string()))?;
    Bundles::add(&directory.path, &bytes).map_err(|error| Failure::of(&error))?;
    // A signer that is not running reads it when it starts.
    match perform(&directory.path, admin::Command::Reload) {
        Ok(_) | Err(admin::Error::Absent(_)) => {}
        Err(error) => return Err(told(&error)),
    }
    ask(directory, admin::Command::Status, context)
}
