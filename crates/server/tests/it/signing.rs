//! The signer that a server finds: where the key comes from, and which signer is a wrong one.

use std::path::Path;
use std::sync::Arc;

use quell_server::{Listeners, Server, Signing};
use quell_signer::admin::{Command, perform};
use quell_signer::{Options, Place, Service, listen, system_clock};

use crate::world::{World, config, set_private};

async fn refused(config: quell_server::Config) -> String {
    match Server::start(config, Listeners::default()).await {
        Ok(_) => panic!("it started"),
        Err(error) => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            text
        }
    }
}

#[tokio::test]
async fn a_key_of_an_earlier_server_is_handed_to_the_signer() {
    let world = World::new().await;
    let directory = world.stop().await;
    let (old, new) = (directory.path().join("order.key"), directory.path().join("signer/order.key"));
    let key = std::fs::read(&new).unwrap();
    std::fs::rename(&new, &old).unwrap();
    let world = World::at(directory).await;
    let directory = world.stop().await;
    assert!(!old.exists());
    assert_eq!(std::fs::read(&new).unwrap(), key);
    std::fs::copy(&new, &old).unwrap();
    let told = refused(config(directory.path())).await;
    assert!(told.contains("another in"), "{told}");
}

/// Rotates at rest, once the signer within this process has left.
async fn rotate(signer: &Path) {
    let rotated = async {
        while perform(signer, Command::Rotate).is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), rotated).await.unwrap();
}

#[tokio::test]
async fn a_signer_with_other_keys_is_a_wrong_one() {
    let world = World::new().await;
    let directory = world.stop().await;
    let key = directory.path().join("signer/order.key");
    let aside = directory.path().join("aside");
    // Rotated while the server was away: the rotations lead to the new keys.
    rotate(&directory.path().join("signer")).await;
    let world = World::at(directory).await;
    let directory = world.stop().await;
    std::fs::rename(&key, &aside).unwrap();
    let told = refused(config(directory.path())).await;
    assert!(told.contains("other keys") && told.contains("order.pub"), "{told}");
    std::fs::rename(&aside, &key).unwrap();
    World::at(directory).await.stop().await;
}

fn elsewhere(directory: &Path, socket: &Path) -> Arc<Service> {
    let service = Arc::new(Service::open(directory, system_clock()).unwrap());
    listen(&service, directory, Options { unix: Some(socket.to_owned()), ..Options::default() }).unwrap();
    service
}

#[tokio::test]
async fn a_signer_that_somebody_else_runs_is_asked_and_no_key_is_made_here() {
    let directory = tempfile::tempdir().unwrap();
    set_private(directory.path());
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("sign.sock");
    let service = elsewhere(&place.path().join("signer"), &socket);
    let mut elsewhere = config(directory.path());
    elsewhere.signing = Signing::At(Place::Unix(socket));
    let server = Server::start(elsewhere, Listeners::default()).await.unwrap();
    assert_eq!(server.engine().signer().key_set(), service.keys().key_set());
    assert!(!directory.path().join("signer").exists() && !directory.path().join("order.key").exists());
    // A rotation is known here before long, and idle agents are told of it.
    service.keys().rotate().unwrap();
    let known = async {
        while server.engine().signer().key_set().version < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), known).await.unwrap();
    server.run(async {}).await;
}
