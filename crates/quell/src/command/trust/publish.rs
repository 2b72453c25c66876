//! What was signed goes to the server: the bundles that it lacks, as far as endpoints need them.

use clap::Args;
use serde_json::{Value, json};

use super::{PATH, Root, dir, show};
use crate::cli::Context;
use crate::failure::Failure;

/// Bundles to bring.
#[derive(Debug, Args)]
pub struct Publish {
    #[command(flatten)]
    root: Root,
    /// Put this root in the place of one that is lost; endpoints that pinned that one must be pinned anew
    #[arg(long)]
    replace: bool,
}

impl Publish {
    pub(super) async fn run(&self, context: &Context) -> Result<(), Failure> {
        let newest = dir::newest(&self.root.dir)?;
        let client = context.client()?;
        let state = client.get(PATH, &[]).await?;
        let held = state.pointer("/trust/serial").and_then(Value::as_u64).filter(|_| !self.replace);
        let mut replace = self.replace;
        for signed in dir::bundles(&self.root.dir)? {
            let bundle = signed.open().map_err(|error| Failure::of(&error))?;
            let is_needed = !bundle.next_root.is_empty() || bundle.serial == newest.bundle().serial;
            // The one that the server has is sent again: it says whether the two mean the same root.
            if is_needed && held.is_none_or(|held| bundle.serial >= held) {
                let body = json!({ "bundle": signed.to_text(), "replace": std::mem::take(&mut replace) });
                let put = client.put(PATH, &body).await;
                put.map_err(|failure| failure.during(&format!("publishing serial {}", bundle.serial)))?;
            }
        }
        show::local(context, &newest)
    }
}
