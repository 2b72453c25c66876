//! The server's side: batches, restarts, rotations, limits of time.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use quell_signer::admin::{Command, perform};
use quell_signer::{Client, Error, Options, Place, Policy, Service, listen};
use quell_wire::Trust;

use crate::world::{Asked, NOW, World, agent_takes, client, sign_socket};

const SOON: Duration = Duration::from_secs(5);

fn listens(world: &World) -> Place {
    let directory = world.directory();
    let options = Options { unix: Some(sign_socket(&directory)), ..Options::default() };
    listen(&world.service, &directory, options).unwrap();
    Place::Unix(sign_socket(&directory))
}

#[tokio::test]
async fn many_orders_at_once_are_all_answered_in_their_order() {
    let world = World::new();
    for place in [listens(&world), Place::Inside(Arc::clone(&world.service))] {
        let client = Arc::new(client(place));
        client.ready(SOON).await.unwrap();
        assert_eq!(client.keys().set, world.service.keys().key_set());
        let asked = Asked::isolate();
        let mut waiting = Vec::new();
        for number in 0..3000 {
            let order = asked.order_of(number % 3, &format!("order-{number}"));
            let client = Arc::clone(&client);
            waiting.push(tokio::spawn(async move { (client.sign(order.encode_to_vec()).await, order) }));
        }
        for (number, signing) in waiting.into_iter().enumerate() {
            let (signature, order) = signing.await.unwrap();
            let signature = signature.unwrap();
            if number % 100 == 0 {
                assert!(agent_takes(&world, &order, &signature.signature, &signature.key_id));
            }
        }
        assert_eq!((client.stats().signed, client.stats().connections), (3000, 1));
    }
}

#[tokio::test]
async fn a_refusal_is_final_and_names_its_code() {
    let world = World::with(&Policy { max_targets: Some(1), ..Policy::default() });
    let client = client(listens(&world));
    let refused = client.sign(Asked::isolate().order().encode_to_vec()).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused { code, .. } if code == "too_many_targets"), "{refused}");
    let giant = client.sign(vec![0; 2 << 20]).await.unwrap_err();
    assert!(matches!(&giant, Error::Refused { code, .. } if code == "order_malformed"), "{giant}");
    assert!(client.is_connected());
}

#[tokio::test]
async fn more_than_the_rate_allows_waits_and_is_signed_later() {
    let world = World::with(&Policy { orders_per_minute: Some(60), ..Policy::default() });
    let client = client(listens(&world));
    let order = Asked::isolate().order().encode_to_vec();
    for _ in 0..60 {
        client.sign(order.clone()).await.unwrap();
    }
    // The signer's clock moves while the client waits.
    let moving = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.pass(2_000_000);
        std::future::pending::<()>().await;
    };
    let signed = tokio::select! {
        signed = client.sign(order) => signed,
        () = moving => unreachable!(),
    };
    signed.unwrap();
}

#[tokio::test]
async fn a_signer_that_dies_and_comes_back_is_found_again() {
    let world = World::new();
    let (directory, folder) = (world.directory(), world.folder);
    drop(world.service);
    let path = sign_socket(&directory);
    let client = Arc::new(client(Place::Unix(path.clone())));
    assert!(matches!(client.ready(Duration::from_millis(50)).await, Err(Error::Unreachable(_))));
    let clock: quell_signer::Clock = Arc::new(|| NOW);
    let order = Asked::isolate().order().encode_to_vec();
    let early = {
        let (client, order) = (Arc::clone(&client), order.clone());
        tokio::spawn(async move { client.sign(order).await })
    };
    for round in 0..3 {
        let service = Service::open(&directory, Arc::clone(&clock)).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let dying = std::thread::spawn(move || {
            let (mut stream, _) = socket.accept().unwrap();
            // Reads what was asked, and dies before it answers.
            let mut first = [0; 64];
            if round < 2 {
                let _ = std::io::Read::read(&mut stream, &mut first);
                return;
            }
            let _ = quell_signer_converse(&mut stream, &service);
        });
        if round < 2 {
            // Not on this thread: the client runs here.
            tokio::task::spawn_blocking(move || dying.join()).await.unwrap().unwrap();
            std::fs::remove_file(&path).unwrap();
        } else {
            client.ready(SOON).await.unwrap();
            early.await.unwrap().unwrap();
            client.sign(order.clone()).await.unwrap();
            drop(client);
            tokio::task::spawn_blocking(move || dying.join()).await.unwrap().unwrap();
            break;
        }
    }
    drop(folder);
}

/// A conversation by hand, over the protocol alone.
fn quell_signer_converse(
    stream: &mut std::os::unix::net::UnixStream,
    service: &Service,
) -> std::io::Result<()> {
    use quell_signer::protocol::{
        Answered, Ask, Asked, FRAME, Pong, PublicKeys, Said, Say, Signed, VERSION, Welcome, read, write,
    };
    while let Some(asked) = read::<Asked>(stream, FRAME)? {
        let say = match asked.ask {
            Some(Ask::Hello(_)) => {
                let keys = service.keys();
                let keys = PublicKeys { set: keys.key_set().encode_to_vec(), rotations: keys.rotations() };
                Say::Welcome(Welcome { version: VERSION, keys: Some(keys) })
            }
            Some(Ask::Sign(sign)) => {
                let answers = service.sign(&sign.orders).into_iter().map(|answer| {
                    let signed = answer.unwrap();
                    Answered { signature: signed.signature, key_id: signed.key_id, refused: None }
                });
                Say::Signed(Signed { id: sign.id, answers: answers.collect(), keys: None })
            }
            Some(Ask::Ping(_)) | None => Say::Pong(Pong { keys: None }),
        };
        write(stream, &Said { say: Some(say) })?;
    }
    Ok(())
}

#[tokio::test]
async fn a_new_key_is_known_before_anybody_holds_its_signature() {
    let world = World::new();
    let client = client(listens(&world));
    client.ready(SOON).await.unwrap();
    let before = client.keys();
    perform(&world.directory(), Command::Rotate).unwrap();
    let order = Asked::isolate().order();
    let signature = client.sign(order.encode_to_vec()).await.unwrap();
    let after = client.keys();
    assert_eq!(after.set.version, 2);
    assert!(Trust::pinned(after.set.clone()).unwrap().key(&signature.key_id).is_some());
    assert!(after.follow(&before.set) && !before.follow(&after.set));
}

#[tokio::test]
async fn keys_that_are_not_believed_are_not_used() {
    let world = World::new();
    let client = Client::start(
        listens(&world),
        Box::new(|_| Err("these are not the keys that agents know".to_owned())),
    );
    let error = client.ready(Duration::from_millis(300)).await.unwrap_err().to_string();
    assert!(error.contains("these are not the keys"), "{error}");
    assert!(!client.is_connected());
}

/// A request as a signer reads it that knows no deltas: what it does not know it passes over.
#[derive(Clone, PartialEq, prost::Message)]
struct OldAsked {
    #[prost(bytes = "vec", optional, tag = "1")]
    hello: Option<Vec<u8>>,
    #[prost(message, optional, tag = "2")]
    sign: Option<OldSign>,
    #[prost(bytes = "vec", optional, tag = "3")]
    ping: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OldSign {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(bytes = "vec", repeated, tag = "2")]
    orders: Vec<Vec<u8>>,
}

/// Stands before a signer and takes from every request what an older one would not read.
fn older(to: &std::path::Path, at: &std::path::Path) -> Place {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::{UnixListener, UnixStream};
    let (listener, to) = (UnixListener::bind(at).unwrap(), to.to_owned());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut from, mut signer) = (stream.unwrap(), UnixStream::connect(&to).unwrap());
            let (mut answers, mut back) = (signer.try_clone().unwrap(), from.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
            let mut head = [0; 4];
            while from.read_exact(&mut head).is_ok() {
                let mut bytes = vec![0; u32::from_be_bytes(head) as usize];
                from.read_exact(&mut bytes).unwrap();
                let old = OldAsked::decode(bytes.as_slice()).unwrap().encode_to_vec();
                signer.write_all(&(old.len() as u32).to_be_bytes()).unwrap();
                signer.write_all(&old).unwrap();
            }
        }
    });
    Place::Unix(at.to_owned())
}

#[tokio::test]
async fn what_is_asked_together_is_answered_each_with_its_own_signature() {
    use quell_wire::activity::Severity;
    use quell_wire::keys::{Domain, verify};
    use quell_wire::protection::Protection;
    let world = World::new();
    let client = client(listens(&world));
    client.ready(SOON).await.unwrap();
    let order = Asked::isolate().order().encode_to_vec();
    let document = Protection {
        tenant_id: "t".into(),
        version: 3,
        ring_bytes: 64 << 20,
        ring_age_s: 86_400,
        prevent_from: Severity::High.into(),
        ..Protection::default()
    };
    let document = document.encode_to_vec();
    let (signed, delta, protected) = tokio::join!(
        client.sign(order.clone()),
        client.sign_delta(vec![1, 2, 3]),
        client.sign_protection(document.clone())
    );
    let trust = Trust::pinned(client.keys().set.clone()).unwrap();
    let holds = |signature: &quell_signer::Signature, domain, bytes: &[u8]| {
        verify(trust.key(&signature.key_id).unwrap(), domain, bytes, &signature.signature)
    };
    assert!(holds(&signed.unwrap(), Domain::Order, &order));
    assert!(holds(&protected.unwrap(), Domain::Protection, &document));
    assert!(matches!(delta, Err(Error::Refused { code, .. }) if code == "blocklist_malformed"));
    let older = Protection { version: 2, ..Protection::decode(document.as_slice()).unwrap() };
    let older = client.sign_protection(older.encode_to_vec()).await;
    assert!(matches!(older, Err(Error::Refused { code, .. }) if code == "protection_version"));
}

#[tokio::test]
async fn a_signer_of_before_block_lists_refuses_a_delta_once_and_goes_on_with_orders() {
    let world = World::new();
    listens(&world);
    let place = older(&sign_socket(&world.directory()), &world.directory().join("older"));
    let client = client(place);
    client.ready(SOON).await.unwrap();
    let order = Asked::isolate().order().encode_to_vec();
    let (delta, signed, document) = tokio::join!(
        client.sign_delta(vec![1, 2, 3]),
        client.sign(order.clone()),
        client.sign_protection(vec![1, 2, 3])
    );
    for refused in [delta, document] {
        assert!(matches!(refused, Err(Error::Refused { code, .. }) if code == "signer_too_old"));
    }
    assert!(signed.is_ok() && client.sign(order).await.is_ok());
    assert_eq!(client.stats().connections, 1, "one conversation");
}
