//! Fifty thousand endpoints that exist in the database alone, to see what a console does with so many.

use std::path::Path;

use quell_lab::crowd;
use quell_lab::site::Server;

use crate::failure::Failure;

/// How many.
const COUNT: u32 = 50_000;

/// Puts them in while the server is away.
pub async fn fill(server: &mut Server, data: &Path) -> Result<(), Failure> {
    server.stop();
    crowd::fill(data, COUNT).await.map_err(|error| Failure::of(&error))?;
    server.restart().map_err(|error| Failure::of(&error))
}
