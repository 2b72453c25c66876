//! Two servers on one database: what is told is told once.

use quell_lab::receiver::{Manner, Receiver};

use super::{LIMIT, failed, nearby, notices, webhook};
use crate::world::World;

#[tokio::test]
async fn two_servers_tell_once() {
    let first = World::with(nearby).await;
    let directory = tempfile::tempdir().unwrap();
    crate::world::set_private(directory.path());
    // The second one knows the same secrets.
    for name in ["secret.key", "audit.key", "admin.key"] {
        std::fs::copy(first.directory.path().join(name), directory.path().join(name)).unwrap();
    }
    let database = format!("sqlite:{}", first.directory.path().join("quell.db").display());
    let second = World::at_with(directory, |config| {
        nearby(config);
        config.database = Some(database);
    })
    .await;
    let receiver = Receiver::start(Manner::status("200 OK")).await.unwrap();
    webhook::created(&first, &receiver.url()).await;
    for _ in 0..60 {
        failed(&first, "endpoint.isolate").await;
    }
    assert_eq!(receiver.wait_for(60, LIMIT * 2).await.len(), 60);
    notices(&first, "?state=pending", <[_]>::is_empty).await;
    // Once both have ended nothing more can come.
    second.stop().await;
    first.stop().await;
    let mut ids: Vec<String> =
        receiver.requests().iter().map(|request| request.header("webhook-id").unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 60, "something was told twice");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 60);
}
