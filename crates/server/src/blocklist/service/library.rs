//! Lists of indicators, as the library holds them.

use quell_catalog::blocklist::import::{self, Imported};
use uuid::Uuid;

use super::Failed;
use crate::state::App;

/// The kind of the library that lists are.
const INDICATORS: &str = "indicators";

/// The objects of a list of the library.
pub(super) async fn listed(app: &App, tenant: Uuid, list: &str) -> Result<Imported, Failed> {
    let absent = || Failed::Never("unknown_list", format!("the library has no list {list:?}"));
    let digest = list.strip_prefix("sha256:").and_then(quell_wire::digest::unhex::<32>).ok_or_else(absent)?;
    let body = body(app, tenant, digest).await?.ok_or_else(absent)?;
    let read = tokio::task::spawn_blocking(move || import::read(&body)).await;
    let read = read.map_err(|error| Failed::Never("list_unreadable", error.to_string()))?;
    let read = read.map_err(|unfit| Failed::Never("list_unreadable", unfit.0))?;
    match read.too_long() {
        None => Ok(read),
        Some(unfit) => Err(Failed::Never("list_too_long", unfit.0)),
    }
}

async fn body(app: &App, tenant: Uuid, digest: [u8; 32]) -> Result<Option<Vec<u8>>, Failed> {
    let found =
        app.store.read(move |tx| match quell_store::library::by_digest(tx, tenant, INDICATORS, &digest)? {
            Some(_) => quell_store::library::body(tx, tenant, &digest),
            None => Ok::<_, quell_store::Error>(None),
        });
    Ok(found.await?)
}
