//! `quell audit checkpoints`.

use clap::Args;

use crate::cli::Context;
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment};

const COLUMNS: &[Column] = &[
    Column { heading: "SEALED AT", cell: |row| moment::of(row, "/sealed_at") },
    Column { heading: "RECORDS", cell: |row| field(row, "/records") },
    Column { heading: "KEY", cell: |row| field(row, "/key_id") },
    Column {
        heading: "CHECKPOINT",
        cell: |row| format!("{}:{}", field(row, "/number"), field(row, "/sha256")),
    },
];

/// How many.
#[derive(Debug, Args)]
pub struct Arguments {
    /// At most so many, oldest first
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

/// Lists them.
pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let items = context.client()?.list("/api/v1/audit/checkpoints", &[], arguments.limit).await?;
    output::list(context.format, &items, COLUMNS)
}
