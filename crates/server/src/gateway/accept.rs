//! The accept loop: takes no more strangers than there is room for; the rest waits in the kernel's queue.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::{Shared, connection};

/// Out of descriptors or memory: others have to end before it is worth trying again.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the gateway stops.
pub async fn run(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        let room = tokio::select! {
            room = shared.admission.room() => room,
            () = shared.stop.cancelled() => None,
        };
        let Some(room) = room else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, remote)) => {
                // Dropping the stream is all that an address with too many connections is worth.
                if let Some(place) = shared.admission.stranger(room, remote.ip()) {
                    shared.tasks.spawn(connection::serve(Arc::clone(&shared), stream, remote, place));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
